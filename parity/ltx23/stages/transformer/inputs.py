"""Inputs that do not hide faults: clean tokens, unequal sigmas, padded text, masks, different samples."""

from dataclasses import dataclass

import torch
from torch import Tensor

from parity.ltx23.stages.transformer.passes import StreamInput
from parity.ltx23.synthetic.weights import normal_like


@dataclass(frozen=True)
class Geometry:
    """Size of a clip: frames in 8k+1, pixels in multiples of 32, frames per second."""

    frames: int
    height: int
    width: int
    fps: float

    def __str__(self) -> str:
        return f"{self.frames}x{self.height}x{self.width}"

    @property
    def latent(self) -> tuple[int, int, int]:
        """Latent frames, rows and columns."""
        return (self.frames - 1) // 8 + 1, self.height // 32, self.width // 32

    @property
    def video_tokens(self) -> int:
        """Tokens of the video stream."""
        frames, rows, columns = self.latent
        return frames * rows * columns

    @property
    def audio_tokens(self) -> int:
        """Tokens of the audio stream: 25 a second."""
        return round(self.frames / self.fps * 25)


# Unequal token counts (24 and 26), so that a transposition or a wrong stream cannot fit by chance.
SMALL = Geometry(frames=25, height=64, width=96, fps=24.0)
# 8 and 10 tokens: small enough to be recorded.
SMALLEST = Geometry(frames=9, height=64, width=64, fps=22.0)
# 6,144, 24,576 and 39,040 tokens: what the first and the second stage of a generation see, and the longest clip.
REAL = tuple(
    Geometry(frames, height, width, fps=24.0)
    for frames, height, width in ((121, 512, 768), (121, 1024, 1536), (481, 640, 1024))
)
REAL_TEXT_TOKENS = 1024


@dataclass(frozen=True)
class Widths:
    """What the model's configuration fixes of its inputs."""

    video_channels: int
    audio_channels: int
    video_context: int
    audio_context: int


def video_positions(geometry: Geometry, batch: int, dtype: torch.dtype) -> Tensor:
    """Give (batch, 3, tokens, 2): start and end of each token in seconds, pixel rows and pixel columns.

    The first latent frame covers one pixel frame, the others eight. `dtype` is the working dtype: release
    1.0.0 rounds video positions to it.
    """
    frames, rows, columns = geometry.latent
    grid = torch.meshgrid(torch.arange(frames), torch.arange(rows), torch.arange(columns), indexing="ij")
    start = torch.stack([axis.flatten() for axis in grid]).float()
    bounds = torch.stack([start, start + 1], dim=-1)
    scale = torch.tensor([8.0, 32.0, 32.0]).view(3, 1, 1)
    pixels = bounds * scale
    pixels[0] = (pixels[0] - 7).clamp(min=0) / geometry.fps
    return pixels.expand(batch, -1, -1, -1).to(dtype).contiguous()


def audio_positions(geometry: Geometry, batch: int) -> Tensor:
    """Give (batch, 1, tokens, 2): start and end of each token in seconds, always float32."""
    start = torch.arange(geometry.audio_tokens + 1, dtype=torch.float32)
    seconds = (start * 4 + 1 - 4).clamp(min=0) * 160 / 16000
    return torch.stack([seconds[:-1], seconds[1:]], dim=-1).expand(batch, 1, -1, -1).contiguous()


@dataclass(frozen=True)
class Draw:
    """What the inputs of a stream are drawn from; the same seed and label give the same numbers anywhere."""

    seed: int
    label: str
    sigmas: tuple[float, ...]
    text_tokens: int = 12
    masked: bool = True

    @property
    def batch(self) -> int:
        """Samples."""
        return len(self.sigmas)

    def normal(self, name: str, *shape: int) -> Tensor:
        """Draw unit-variance float32 numbers."""
        count = torch.Size(shape).numel()
        return normal_like(self.seed, f"{self.label}.{name}", 0, count, torch.device("cpu")).view(shape)


def stream_input(draw: Draw, tokens: int, channels: int, context_dim: int, positions: Tensor) -> StreamInput:
    """Give a stream in bfloat16-representable numbers, with its first tokens clean and some half-denoised.

    It has an attention mask where `draw` is `masked`: its size is the square of the number of tokens.
    """
    sigma = torch.tensor(draw.sigmas)
    mask = torch.ones(draw.batch, tokens, 1)
    mask[:, : tokens // 4] = 0.0
    mask[:, tokens // 4 : tokens // 3] = 0.35
    # Samples differ in which tokens are clean: a mask taken from the wrong sample must show.
    mask[1::2, -2:] = 0.0
    return StreamInput(
        latent=_representable(draw.normal("latent", draw.batch, tokens, channels)),
        sigma=sigma,
        timesteps=mask * sigma.view(-1, 1, 1),
        positions=positions,
        context=_representable(draw.normal("context", draw.batch, draw.text_tokens, context_dim)),
        attention_mask=_attention_weights(draw, tokens) if draw.masked else None,
    )


def _attention_weights(draw: Draw, tokens: int) -> Tensor:
    """Weights with exact zeros, exact ones, and values between; every token may attend to itself."""
    weights = (draw.normal("mask", draw.batch, tokens, tokens) * 0.5 + 0.6).clamp(0.0, 1.0)
    weights[:, torch.arange(tokens), torch.arange(tokens)] = 1.0
    return weights


def _representable(x: Tensor) -> Tensor:
    # The same numbers in every working precision, so that precisions differ by their arithmetic alone.
    return x.to(torch.bfloat16).to(torch.float32)
