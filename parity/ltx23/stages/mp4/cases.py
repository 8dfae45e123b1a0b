"""The cases of the MP4: what encoders receive, and what is in the file."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from parity.ltx23.stage import Case, Pass, Setting, input_seed
from parity.ltx23.stages.mp4.passes import Mp4Pass
from parity.ltx23.synthetic.weights import normal_like

# Left and right of the samples that meet an edge of the conversion: full scale, beyond it, and halves of a step.
_EDGES = ((1.0, -1.0, 1.25, -1.5, 0.0), (0.5 / 32767, -0.5 / 32767, 0.99999, -0.99999, 1e-9))


def _moving(label: str, frames: int, height: int, width: int) -> Tensor:
    """Draw waves that move, with noise; values from 0 to 1 that bfloat16 holds, both ends among them."""
    time, row, column = (torch.arange(count).float() for count in (frames, height, width))
    colour = torch.arange(3).float()
    wave = (time[:, None, None, None] / 3 + column[:, None] / 7 + colour).sin() + (row[:, None, None] / 9).cos()
    noise = normal_like(input_seed(), f"mp4.{label}", 0, wave.numel(), torch.device("cpu")).view(wave.shape)
    return (wave * 0.3 + 0.2 + noise * 0.05).clamp(0.0, 1.0).to(torch.bfloat16).float()


def _as_decoded(setting: Setting, shares: Tensor) -> Tensor:
    """Give frames as the release's decoder does: bytes in the first, values from 0 to 1 in later ones."""
    return (shares * 255.0).to(torch.uint8) if setting.release == "1.0.0" else shares


def _sound(label: str, samples: int) -> Tensor:
    time = torch.arange(samples).float() / 48000
    tones = torch.stack([(2 * math.pi * 440 * time).sin() * 0.6, (2 * math.pi * 660 * time).cos() * 0.3])
    noise = normal_like(input_seed(), f"mp4.{label}.sound", 0, 2 * samples, torch.device("cpu")).view(2, samples)
    wave = tones + noise * 0.1
    wave[:, : len(_EDGES[0])] = torch.tensor(_EDGES)
    return wave


def _samples(frames: int, fps: int) -> int:
    """Give how many samples the vocoder makes for a clip: 25 audio latents a second, rounded."""
    return (4 * round(frames / fps * 25) - 3) * 480


def _small(setting: Setting) -> list[Pass]:
    chunks = tuple(_as_decoded(setting, _moving("small", 3, 4, 6))[part] for part in (slice(0, 2), slice(2, 3)))
    return [Mp4Pass("clip", chunks, _sound("small", 24), fps=24)]


def written(name: str, frames: int, height: int, width: int, fps: int) -> Callable[[Setting], Mp4Pass]:
    """Lay out a pass that writes a file, with the sound that the vocoder makes for so many frames."""

    def build(setting: Setting) -> Mp4Pass:
        clip = _as_decoded(setting, _moving(name, frames, height, width))
        parts = (clip[:9], clip[9:]) if frames > 9 else (clip,)
        return Mp4Pass(name, parts, _sound(name, _samples(frames, fps)), fps, file=True)

    return build


def _files(setting: Setting) -> list[Pass]:
    """Widths of 128 only, where libx264 gives the reference's stream at every run; sound as long as the frames."""
    return [written("short", 9, 64, 128, 25)(setting), written("long", 17, 128, 128, 12)(setting)]


def _case(identifier: str, guards: str, build: Callable[[Setting], list[Pass]], **more: Any) -> Case:
    return Case(f"mp4-{identifier}", guards, build, components=(), **more)


MP4_CASES = (
    _case(
        "small",
        "bytes or planes of two stretches, samples beyond full scale: small enough to be recorded",
        _small,
        recorded=True,
        drifts=True,
    ),
    _case(
        "files",
        "the packets of a written file, byte by byte, and their times",
        _files,
        # Frames are bytes, or planes of what the other case shows in float32 too.
        dtypes=(torch.bfloat16,),
    ),
    _case(
        "real-size",
        "a clip of 768x512",
        lambda setting: [written("clip", 25, 512, 768, 24)(setting)],
        dtypes=(torch.bfloat16,),
        real_size=True,
    ),
)
