"""Where tokens are: the start and the end of each, in seconds and pixels."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ltx_port.latents.geometry import (
    AUDIO_HOP,
    AUDIO_SAMPLE_RATE,
    FRAMES_PER_LATENT,
    MELS_PER_LATENT,
    PIXELS_PER_LATENT,
    AudioGrid,
    VideoGrid,
)
from ltx_port.release import Release


class LatentBounds(nn.Module):
    """Gives start and end of each video token in latent frames, rows and columns."""

    def forward(self, grid: VideoGrid, device: torch.device) -> Int[Tensor, "batch 3 tokens 2"]:
        """Give whole numbers: half-open bounds, the end one behind the start."""
        sizes = (grid.frames, grid.rows, grid.columns)
        axes = torch.meshgrid(*(torch.arange(size, device=device) for size in sizes), indexing="ij")
        start = torch.stack([axis.flatten() for axis in axes])
        return torch.stack([start, start + 1], dim=-1).expand(grid.batch, -1, -1, -1)


class PixelBounds(nn.Module):
    """Scales latent bounds to frames and pixels."""

    def forward(self, bounds: Int[Tensor, "batch 3 tokens 2"], causal: bool) -> Int[Tensor, "batch 3 tokens 2"]:
        """Give bounds in pixel frames, rows and columns.

        `causal`: the first latent frame covers one pixel frame, which moves all others up by seven.
        """
        scale = bounds.new_tensor([FRAMES_PER_LATENT, PIXELS_PER_LATENT, PIXELS_PER_LATENT]).view(1, 3, 1, 1)
        pixels = bounds * scale
        if causal:
            pixels[:, 0] = (pixels[:, 0] + 1 - FRAMES_PER_LATENT).clamp(min=0)
        return pixels


class Seconds(nn.Module):
    """Turns pixel frames into seconds."""

    def forward(self, pixels: Int[Tensor, "batch 3 tokens 2"], fps: float) -> Float[Tensor, "batch 3 tokens 2"]:
        """Give float32 bounds in seconds, rows and columns, in float32 whatever the working dtype."""
        bounds = pixels.to(torch.float32)
        bounds[:, 0] = bounds[:, 0] / fps
        return bounds


class VideoPositions(nn.Module):
    """The positions of the tokens of a clip."""

    def __init__(self, release: Release):
        super().__init__()
        self.release = release
        self.latent = LatentBounds()
        self.pixels = PixelBounds()
        self.seconds = Seconds()

    def forward(
        self, grid: VideoGrid, fps: float, dtype: torch.dtype, device: torch.device
    ) -> Float[Tensor, "batch 3 tokens 2"]:
        """Give the positions in the dtype of the release; `dtype` is the working dtype."""
        seconds: Tensor = self.seconds(self.pixels(self.latent(grid, device), True), fps)
        # Release 1.0.0 rounds them to the working dtype; the transformer's RoPE then computes with what is left.
        return seconds if self.release.video_positions_float32 else seconds.to(dtype)


class ShiftFrames(nn.Module):
    """Moves a keyframe to its place in the clip."""

    def __init__(self, release: Release):
        super().__init__()
        self.one_frame = release.keyframe_spans_one_frame

    def forward(self, pixels: Int[Tensor, "batch 3 tokens 2"], frame: int) -> Int[Tensor, "batch 3 tokens 2"]:
        """Give the bounds moved by `frame` pixel frames, one frame long where the release has it so."""
        shifted = pixels.clone()
        shifted[:, 0] += frame
        if self.one_frame:
            shifted[:, 0, :, 1] = shifted[:, 0, :, 0] + 1
        return shifted


class KeyframePositions(nn.Module):
    """The positions of appended keyframe tokens: float32 in every precision and release."""

    def __init__(self, release: Release):
        super().__init__()
        self.latent = LatentBounds()
        self.pixels = PixelBounds()
        self.shift = ShiftFrames(release)
        self.seconds = Seconds()

    def forward(
        self, grid: VideoGrid, frame: int, fps: float, device: torch.device
    ) -> Float[Tensor, "batch 3 tokens 2"]:
        """Give the positions of a keyframe latent of size `grid` at a pixel frame of the clip."""
        # Only what begins the clip has a first latent frame that covers one pixel frame.
        pixels = self.pixels(self.latent(grid, device), frame == 0)
        return self.seconds(self.shift(pixels, frame), fps)


class AudioSeconds(nn.Module):
    """The time at which an audio latent frame starts."""

    def forward(self, first: int, count: int, device: torch.device) -> Float[Tensor, " count"]:
        """Give the seconds of `count` latent frames from `first` on, in float32 whatever the working dtype.

        Causal: the first latent frame covers one mel frame, the others four. In the order of the reference: another
        order of multiplication and division rounds otherwise.
        """
        frames = torch.arange(first, first + count, dtype=torch.float32, device=device)
        mels = (frames * MELS_PER_LATENT + 1 - MELS_PER_LATENT).clip(min=0)
        return mels * AUDIO_HOP / AUDIO_SAMPLE_RATE


class AudioPositions(nn.Module):
    """The positions of audio tokens: never rounded to the working dtype."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = AudioSeconds()

    def forward(self, grid: AudioGrid, device: torch.device) -> Float[Tensor, "batch 1 tokens 2"]:
        """Give start and end of each token in seconds."""
        start, end = self.seconds(0, grid.frames, device), self.seconds(1, grid.frames, device)
        return torch.stack([start, end], dim=-1).expand(grid.batch, 1, -1, -1).contiguous()
