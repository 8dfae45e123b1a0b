"""How a clip is cut into overlapping tiles: sizes as users give them, intervals of one axis."""

from dataclasses import dataclass
from typing import NamedTuple

from ltx_port.errors import InputError
from ltx_port.release import Release

PIXELS_PER_LATENT = 32
"""Rows and columns of pixels that one of the latent stands for."""
FRAMES_PER_LATENT = 8
"""Frames that a latent frame stands for; the first stands for one."""
_SPATIAL_OVERLAP, _TEMPORAL_OVERLAP = 64, 24
_LEAST_IN_LATENTS = 2


@dataclass(frozen=True)
class TileSize:
    """Length of a tile along one axis and what it shares with the next one, both in frames or in pixels."""

    size: int
    overlap: int

    def in_latents(self, unit: int, axis: str) -> "TileSize":
        """Give the same in latent positions of `unit` each; InputError where it is no whole number, or too short."""
        if self.size % unit or self.overlap % unit or self.size < _LEAST_IN_LATENTS * unit:
            got = f"{self.size}, overlapping by {self.overlap}"
            raise InputError(f"tiles along {axis}", got, f"multiples of {unit}, from {2 * unit} up", "choose others")
        if not 0 <= self.overlap < self.size:
            got = f"an overlap of {self.overlap}"
            raise InputError(f"tiles along {axis}", got, f"0 to {self.size - unit}", "choose a smaller one")
        return TileSize(self.size // unit, self.overlap // unit)


@dataclass(frozen=True)
class Tiling:
    """The tiles of a clip along each axis, in frames and in pixels; None leaves an axis whole."""

    frames: TileSize | None = None
    rows: TileSize | None = None
    columns: TileSize | None = None

    @staticmethod
    def by_long_side(long_side: TileSize, frames: TileSize, height: int, width: int) -> "Tiling":
        """Give tiles shaped like a clip of `height` x `width` pixels: `long_side` holds for its longer side."""
        rows, columns = (_along(length, max(height, width), long_side) for length in (height, width))
        return Tiling(frames, rows, columns)

    @staticmethod
    def default(release: Release, height: int, width: int) -> "Tiling":
        """Give the tiles that the release's pipelines decode a clip of `height` x `width` pixels in."""
        long_side = TileSize(release.spatial_tile, _SPATIAL_OVERLAP)
        return Tiling.by_long_side(long_side, TileSize(release.temporal_tile, _TEMPORAL_OVERLAP), height, width)


def _along(length: int, longer: int, long_side: TileSize) -> TileSize:
    latent = long_side.in_latents(PIXELS_PER_LATENT, "the long side")
    share = round(latent.size * (length // PIXELS_PER_LATENT) / (longer // PIXELS_PER_LATENT))
    return TileSize(max(_LEAST_IN_LATENTS, latent.overlap + 1, share) * PIXELS_PER_LATENT, long_side.overlap)


class Interval(NamedTuple):
    """A tile along one axis: where it starts and stops, and how far it fades in and out."""

    start: int
    stop: int
    fade_in: int = 0
    fade_out: int = 0


def split(length: int, tile: TileSize | None) -> list[Interval]:
    """Cut an axis into intervals that overlap; the last one ends with the axis. None: in one piece."""
    if tile is None or length <= tile.size:
        return [Interval(0, length)]
    step = tile.size - tile.overlap
    starts = range(0, length - tile.overlap, step)
    return [
        Interval(
            start,
            start + tile.size if start != starts[-1] else length,
            tile.overlap if start else 0,
            tile.overlap if start != starts[-1] else 0,
        )
        for start in starts
    ]


def split_time(length: int, tile: TileSize | None) -> list[Interval]:
    """Cut the latent frames of a clip: as `split`, but every later tile starts, and fades in, one frame earlier.

    A tile's first latent frame gives one frame where it would give eight further inside, so it is only faded over.
    """
    first, *others = split(length, tile)
    return [first, *(Interval(it.start - 1, it.stop, it.fade_in + 1, it.fade_out) for it in others)]
