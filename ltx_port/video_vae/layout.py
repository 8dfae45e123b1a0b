"""Where tiles are cut from, where they go, and how they fade into each other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ltx_port.errors import InputError
from ltx_port.release import NEWEST, Release
from ltx_port.video_vae.tiling import (
    FRAMES_PER_LATENT,
    PIXELS_PER_LATENT,
    Interval,
    TileSize,
    Tiling,
    split,
    split_time,
)

Masks = tuple[Float[Tensor, " frames"], Float[Tensor, " height"], Float[Tensor, " width"]]
Place = tuple[slice, slice, slice, slice, slice]


@dataclass(frozen=True)
class Tile:
    """One tile of a clip.

    `coords` has, of the input and of the output, the start and stop along frames, rows and columns; `masks` the
    weights of the output along each of them, in float32.
    """

    coords: Int[Tensor, "2 3 2"]
    masks: Masks

    @property
    def source(self) -> Place:
        """Where it is cut from the input."""
        return _place(self.coords[0])

    @property
    def target(self) -> Place:
        """Where it goes in the output."""
        return _place(self.coords[1])


def _place(bounds: Tensor) -> Place:
    frames, rows, columns = (slice(start, stop) for start, stop in bounds.tolist())
    return slice(None), slice(None), frames, rows, columns


@dataclass(frozen=True)
class _Along:
    """A tile along one axis."""

    source: tuple[int, int]
    target: tuple[int, int]
    mask: Tensor


class Trapezoid(nn.Module):
    """Weights that rise, stay at 1 and fall."""

    def forward(self, length: int, rise: int, fall: int, from_zero: bool = False) -> Float[Tensor, " length"]:
        """Give the weights; `from_zero` begins at 0 itself, else at the first value above it."""
        rise, fall = min(rise, length), min(fall, length)
        weights = torch.ones(length)
        if rise:
            weights[:rise] *= torch.linspace(0.0, 1.0, rise + 1)[:-1] if from_zero else _between(0.0, 1.0, rise)
        if fall:
            weights[-fall:] *= _between(1.0, 0.0, fall)
        return weights.clamp_(0, 1)


def _between(first: float, last: float, steps: int) -> Tensor:
    return torch.linspace(first, last, steps + 2)[1:-1]


class CutOff(nn.Module):
    """Weights of 1, with zeros at either end."""

    def forward(self, length: int, front: int, back: int) -> Float[Tensor, " length"]:
        """Give the weights."""
        weights = torch.ones(length)
        weights[:front] = 0
        weights[length - back :] = 0
        return weights


class DecodeLayout(nn.Module):
    """Lays out the tiles in which a latent is decoded."""

    def __init__(self) -> None:
        super().__init__()
        self.trapezoid = Trapezoid()

    def forward(self, latent: Float[Tensor, "batch channels frames height width"], tiling: Tiling) -> tuple[Tile, ...]:
        """Give the tiles, those of one stretch of time together; InputError where time is not tiled."""
        if tiling.frames is None:
            raise InputError("decoding in tiles", "frames untiled", "tiles in time", "give them, or decode untiled")
        frames, height, width = latent.shape[2:]
        times = split_time(frames, _latents(tiling.frames, FRAMES_PER_LATENT, "time"))
        return _tiles(
            (self._frames(interval) for interval in times),
            [self._pixels(it) for it in split(height, _latents(tiling.rows, PIXELS_PER_LATENT, "rows"))],
            [self._pixels(it) for it in split(width, _latents(tiling.columns, PIXELS_PER_LATENT, "columns"))],
        )

    def _frames(self, it: Interval) -> _Along:
        target = _frames_of(it)
        rise = 1 + (it.fade_in - 1) * FRAMES_PER_LATENT if it.fade_in else 0
        mask = self.trapezoid(target[1] - target[0], rise, it.fade_out * FRAMES_PER_LATENT, from_zero=True)
        return _Along((it.start, it.stop), target, mask)

    def _pixels(self, it: Interval) -> _Along:
        start, stop, rise, fall = (value * PIXELS_PER_LATENT for value in it)
        return _Along((it.start, it.stop), (start, stop), self.trapezoid(stop - start, rise, fall))


class EncodeLayout(nn.Module):
    """Lays out the tiles in which a clip of 8k+1 frames is encoded."""

    def __init__(self, release: Release = NEWEST):
        super().__init__()
        self.trapezoid, self.cut_off = Trapezoid(), CutOff()
        self.blends = release.encode_tiles_overlap

    def forward(self, pixels: Float[Tensor, "batch colours frames height width"], tiling: Tiling) -> tuple[Tile, ...]:
        """Give the tiles; InputError for an overlap that is too short to hide the edges of a tile."""
        frames, height, width = pixels.shape[2:]
        time = _overlapping(tiling.frames, FRAMES_PER_LATENT, "time")
        rows = _overlapping(tiling.rows, PIXELS_PER_LATENT, "rows")
        columns = _overlapping(tiling.columns, PIXELS_PER_LATENT, "columns")
        if not self.blends:
            times = split(frames, time and TileSize(time.size * FRAMES_PER_LATENT, time.overlap * FRAMES_PER_LATENT))
            return _tiles(
                (self._cut_frames(it, last=it is times[-1]) for it in times),
                self._cut(height, rows),
                self._cut(width, columns),
            )
        return _tiles(
            (self._frames(it) for it in split_time((frames - 1) // FRAMES_PER_LATENT + 1, time)),
            self._blended(height, rows),
            self._blended(width, columns),
        )

    def _frames(self, it: Interval) -> _Along:
        mask = self.trapezoid(it.stop - it.start, it.fade_in, it.fade_out, from_zero=True)
        return _Along(_frames_of(it), (it.start, it.stop), mask)

    def _blended(self, length: int, tile: TileSize | None) -> list[_Along]:
        return [
            _Along(
                (it.start * PIXELS_PER_LATENT, it.stop * PIXELS_PER_LATENT),
                (it.start, it.stop),
                self.trapezoid(it.stop - it.start, it.fade_in, it.fade_out),
            )
            for it in split(length // PIXELS_PER_LATENT, tile)
        ]

    def _cut_frames(self, it: Interval, last: bool) -> _Along:
        # One frame more: a clip of whole latent frames has 8k+1.
        stop = it.stop if last else it.stop + 1
        target = it.start // FRAMES_PER_LATENT, (stop - 1) // FRAMES_PER_LATENT + 1
        front = 1 + (it.fade_in - 1) // FRAMES_PER_LATENT if it.fade_in else 0
        return _Along((it.start, stop), target, self.cut_off(target[1] - target[0], front, 0))

    def _cut(self, length: int, tile: TileSize | None) -> list[_Along]:
        # One latent of each overlap is taken from the tile behind, the others from the tile before.
        return [
            _Along(
                (it.start * PIXELS_PER_LATENT, it.stop * PIXELS_PER_LATENT),
                (it.start, it.stop),
                self.cut_off(it.stop - it.start, max(0, it.fade_in - 1), min(1, it.fade_out)),
            )
            for it in split(length // PIXELS_PER_LATENT, tile)
        ]


def _latents(tile: TileSize | None, unit: int, axis: str) -> TileSize | None:
    return None if tile is None else tile.in_latents(unit, axis)


def _overlapping(tile: TileSize | None, unit: int, axis: str) -> TileSize | None:
    latent = _latents(tile, unit, axis)
    # DIFFERS: 1.0.0 widens a smaller overlap with a warning, 1.2.0 refuses it.
    if latent is not None and latent.overlap < 2:
        got = f"an overlap of {latent.overlap * unit}"
        raise InputError(f"tiles along {axis} to encode", got, f"{2 * unit} or more", "choose a larger one")
    return latent


def _frames_of(it: Interval) -> tuple[int, int]:
    return it.start * FRAMES_PER_LATENT, 1 + (it.stop - 1) * FRAMES_PER_LATENT


def _tiles(times: Iterable[_Along], rows: Sequence[_Along], columns: Sequence[_Along]) -> tuple[Tile, ...]:
    return tuple(
        Tile(
            torch.tensor([[axis.source for axis in axes], [axis.target for axis in axes]]),
            (axes[0].mask, axes[1].mask, axes[2].mask),
        )
        for axes in product(times, rows, columns)
    )
