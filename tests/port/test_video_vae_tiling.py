"""How clips are cut: intervals cover an axis, masks sum to one, and what cannot be cut is refused."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ltx_port.errors import InputError
from ltx_port.release import RELEASE_1_0_0, RELEASE_1_2_0
from ltx_port.video_vae import TileSize, Tiling
from ltx_port.video_vae.layout import DecodeLayout, EncodeLayout, Tile
from ltx_port.video_vae.tiling import split, split_time

SIZES = st.integers(2, 9).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1)))


@settings(deadline=None)
@given(st.integers(1, 60), SIZES)
def test_intervals_cover_the_axis_and_overlap_as_asked(length: int, tile: tuple[int, int]) -> None:
    found = split(length, TileSize(*tile))
    assert (found[0].start, found[-1].stop) == (0, length)
    assert all(it.stop - it.start <= tile[0] for it in found)
    for before, after in pairwise(found):
        assert before.stop - after.start == tile[1] == before.fade_out == after.fade_in


@settings(deadline=None)
@given(st.integers(1, 60), SIZES)
def test_later_intervals_of_time_start_one_latent_frame_earlier(length: int, tile: tuple[int, int]) -> None:
    plain, timed = split(length, TileSize(*tile)), split_time(length, TileSize(*tile))
    assert timed[0] == plain[0]
    assert [(it.start + 1, it.stop, it.fade_in - 1) for it in timed[1:]] == [it[:3] for it in plain[1:]]


def total(tiles: tuple[Tile, ...], axis: int) -> torch.Tensor:
    along = {tuple(tile.coords[1, axis].tolist()): tile.masks[axis] for tile in tiles}
    found = torch.zeros(max(stop for _, stop in along))
    for (start, stop), mask in along.items():
        assert len(mask) == stop - start
        found[start:stop] += mask
    return found


@pytest.mark.parametrize("shape", [(1, 1, 9, 3, 5), (1, 1, 4, 8, 2), (1, 1, 17, 16, 24)])
def test_masks_of_tiles_to_decode_sum_to_one(shape: tuple[int, ...]) -> None:
    tiling = Tiling(TileSize(32, 16), TileSize(64, 32), TileSize(96, 32))
    tiles = DecodeLayout()(torch.empty(shape), tiling)
    for axis, (length, unit) in enumerate(zip(shape[2:], (8, 32, 32), strict=True)):
        expected = torch.ones((length - 1) * 8 + 1 if axis == 0 else length * unit)
        torch.testing.assert_close(total(tiles, axis), expected)


@pytest.mark.parametrize("release", [RELEASE_1_0_0, RELEASE_1_2_0], ids=["1.0.0", "1.2.0"])
@pytest.mark.parametrize("shape", [(1, 3, 49, 160, 96), (1, 3, 33, 224, 320), (1, 3, 1, 128, 128)])
def test_tiles_to_encode_leave_no_gap_and_blend_in_the_newest_release(shape: tuple[int, ...], release: object) -> None:
    tiling = Tiling(TileSize(32, 16), TileSize(128, 64), TileSize(128, 64))
    tiles = EncodeLayout(release)(torch.empty(shape), tiling)  # type: ignore[arg-type]
    for axis, length in enumerate(((shape[2] - 1) // 8 + 1, shape[3] // 32, shape[4] // 32)):
        found = total(tiles, axis)
        assert len(found) == length
        # What 1.0.0 cuts off may still be covered twice in time; the sum is divided by the masks' own.
        least = found.clamp(max=1.0) if release is RELEASE_1_0_0 else found
        torch.testing.assert_close(least, torch.ones(length))


def test_the_default_tiles_have_the_shape_of_the_clip() -> None:
    assert Tiling.default(RELEASE_1_0_0, 704, 1280) == Tiling(TileSize(64, 24), TileSize(288, 64), TileSize(512, 64))
    assert Tiling.default(RELEASE_1_2_0, 1280, 704) == Tiling(TileSize(80, 24), TileSize(768, 64), TileSize(416, 64))


@pytest.mark.parametrize(
    ("tiling", "message"),
    [
        (Tiling(), "frames untiled"),
        (Tiling(TileSize(20, 8)), "multiples of 8"),
        (Tiling(TileSize(8, 0)), "from 16 up"),
        (Tiling(TileSize(24, 24)), "an overlap of"),
        (Tiling(TileSize(24, 8), TileSize(48, 0)), "multiples of 32"),
        (Tiling(TileSize(24, 8), None, TileSize(64, -32)), "an overlap of"),
    ],
)
def test_tiles_that_cannot_be_decoded_are_refused(tiling: Tiling, message: str) -> None:
    with pytest.raises(InputError, match=message):
        DecodeLayout()(torch.empty(1, 1, 9, 4, 4), tiling)


def test_an_overlap_that_shows_the_edges_of_tiles_to_encode_is_refused() -> None:
    for tiling in (Tiling(TileSize(24, 8)), Tiling(rows=TileSize(128, 32)), Tiling(columns=TileSize(128, 32))):
        with pytest.raises(InputError, match="or more"):
            EncodeLayout()(torch.empty(1, 3, 9, 256, 256), tiling)
