"""Where a run writes, checked before it starts."""

import argparse
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ltx_port.errors import InputError
from ltx_port.mp4 import ClipFacts, mp4_bytes, png_bytes, wav_bytes
from ltx_port.pipeline.request import GenerationRequest
from ltx_port.pipeline.route import Route

# Of a disk, beside what is written: files of others grow too.
_RESERVE = 64 << 20
_SAMPLING_RATE = 48_000
# Two prompts of 1024 tokens, 4096 and 2048 channels wide, in float32 at most.
_CONTEXTS = 2 * 1024 * (4096 + 2048) * 4


@dataclass(frozen=True)
class Outputs:
    """The files and folders of one run; what is None is not written."""

    clip: Path
    wav: Path | None
    frames: Path | None
    latents: Path | None
    hidden_states: Path | None
    dump: Path | None

    @staticmethod
    def of(arguments: argparse.Namespace) -> "Outputs":
        """Read the command line."""
        return Outputs(
            arguments.output,
            arguments.save_wav,
            arguments.save_frames,
            arguments.save_latents,
            arguments.save_hidden_states,
            arguments.dump_intermediates,
        )

    def check(self, route: Route, request: GenerationRequest) -> None:
        """Refuse a place that cannot be written to, or a disk that is too full; InputError in one line."""
        if self.clip.suffix.lower() != ".mp4":
            raise InputError(str(self.clip), f"a file name that ends in {self.clip.suffix!r}", ".mp4", "rename it")
        files = [path for path in (self.clip, self.wav, self.latents, self.hidden_states) if path is not None]
        folders = [path for path in (self.frames, self.dump) if path is not None]
        for path in files:
            if path.is_dir():
                raise InputError(str(path), "a folder", "a file name", "name a file in it")
        for path in folders:
            if path.exists() and not path.is_dir():
                raise InputError(str(path), "a file", "a folder", "give another path")
        for path in (*files, *folders):
            _require_folder(path)
        _require_room(dict(self._sizes(route, request)))

    def _sizes(self, route: Route, request: GenerationRequest) -> Iterator[tuple[Path, int]]:
        """Give upper bounds, in bytes."""
        clip = request.clip
        facts = ClipFacts(clip.frames, clip.height, clip.width, clip.fps)
        samples = int(_SAMPLING_RATE * facts.duration)
        raw = clip.frames * clip.height * clip.width * 3
        latents = _latent_bytes(clip.video.shape) + _latent_bytes(clip.audio.shape)
        yield self.clip.parent, mp4_bytes(facts)
        if self.wav is not None:
            yield self.wav.parent, wav_bytes(samples)
        if self.frames is not None:
            yield self.frames.parent, png_bytes(facts)
        if self.latents is not None:
            yield self.latents.parent, latents
        if self.dump is not None:
            evaluations = 2 * (request.steps + 4) + 16
            yield self.dump.parent, 2 * evaluations * latents + 2 * raw + 8 * samples + _CONTEXTS


def _latent_bytes(shape: tuple[int, ...]) -> int:
    size = 2
    for length in shape:
        size *= length
    return size


def _require_folder(path: Path) -> None:
    if not path.parent.is_dir():
        raise InputError(str(path), f"no folder {path.parent}", "a folder that exists", "make it first")


def _require_room(needed: dict[Path, int]) -> None:
    by_disk: dict[int, tuple[Path, int]] = {}
    for folder, size in needed.items():
        device = folder.stat().st_dev
        by_disk[device] = (folder, by_disk.get(device, (folder, 0))[1] + size)
    for folder, size in by_disk.values():
        free = shutil.disk_usage(folder).free
        if free < size + _RESERVE:
            expected = f"up to {size + _RESERVE:,} bytes for what this run writes"
            raise InputError(f"disk of {folder}", f"{free:,} bytes free", expected, "free some, or write elsewhere")
