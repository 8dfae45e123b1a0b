"""Sizes, positions and tokens of the latents, and what is refused."""

import pytest
import torch

from ltx_port.errors import InputError
from ltx_port.latents import (
    AudioPositions,
    Clip,
    PatchifyAudio,
    PatchifyVideo,
    UnpatchifyAudio,
    UnpatchifyVideo,
    VideoPositions,
)
from ltx_port.release import RELEASE_1_0_0, RELEASE_1_2_0

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("clip", "video", "audio"),
    [
        (Clip(1, 32, 32, 24), (1, 128, 1, 1, 1), (1, 8, 1, 16)),
        (Clip(121, 512, 768, 24.0), (1, 128, 16, 16, 24), (1, 8, 126, 16)),
        (Clip(121, 512, 768, 25), (1, 128, 16, 16, 24), (1, 8, 121, 16)),
        (Clip(121, 512, 768, 30000 / 1001, 2), (2, 128, 16, 16, 24), (2, 8, 101, 16)),
        # 12.5 and 2.5 audio frames: half to even.
        (Clip(25, 32, 64, 50.0), (1, 128, 4, 1, 2), (1, 8, 12, 16)),
        (Clip(9, 32, 64, 90), (1, 128, 2, 1, 2), (1, 8, 2, 16)),
    ],
)
def test_a_clip_has_these_latents(clip: Clip, video: tuple[int, ...], audio: tuple[int, ...]) -> None:
    assert clip.video.shape == video
    assert clip.audio.shape == audio
    assert clip.video.tokens == video[2] * video[3] * video[4]
    assert clip.audio.tokens == audio[2]


def test_the_first_of_two_stages_has_half_the_sides() -> None:
    clip = Clip(17, 128, 192, 24.0, batch=2)
    assert clip.halved() == Clip(17, 64, 96, 24.0, batch=2)


@pytest.mark.parametrize(
    ("size", "where"),
    [
        ((9, 48, 64, 24.0), "clip height: 48"),
        ((9, 0, 64, 24.0), "clip height: 0"),
        ((9, -32, 64, 24.0), "clip height: -32"),
        ((9, 64, 65, 24.0), "clip width: 65"),
        ((8, 64, 64, 24.0), "clip frames: 8"),
        ((0, 64, 64, 24.0), "clip frames: 0"),
        ((-7, 64, 64, 24.0), "clip frames: -7"),
        ((9, 64, 64, 0.0), "clip fps: 0.0"),
        ((9, 64, 64, -24.0), "clip fps: -24.0"),
        ((9, 64, 64, float("nan")), "clip fps: nan"),
        ((9, 64, 64, float("inf")), "clip fps: inf"),
        ((9, 64, 64, 24.0, 0), "clip batch: 0"),
        ((1, 64, 64, 60.0), "clip: 1 frames at 60.0 a second: no audio latent"),
    ],
)
def test_a_clip_of_another_size_is_refused_in_one_line(size: tuple[float, ...], where: str) -> None:
    with pytest.raises(InputError) as refusal:
        Clip(*size)
    assert str(refusal.value).startswith(f"{where};")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("sides", [(96, 128), (128, 96)])
def test_two_stages_need_multiples_of_64(sides: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="96; expected a multiple of 64 for two stages"):
        Clip(9, *sides, 24.0).halved()


def test_video_tokens_run_over_columns_then_rows_then_frames() -> None:
    grid = Clip(17, 64, 96, 25.0).video
    latent = torch.arange(grid.tokens).view(1, 1, *grid.shape[2:]).float().expand(grid.shape)
    tokens = PatchifyVideo()(latent)
    assert torch.equal(tokens[0, :, 0], torch.arange(grid.tokens).float())
    assert torch.equal(UnpatchifyVideo()(tokens, grid), latent)


def test_audio_tokens_hold_channel_after_channel() -> None:
    grid = Clip(9, 64, 64, 24.0).audio
    latent = torch.arange(grid.channels * grid.bins).view(1, grid.channels, 1, grid.bins).float().expand(grid.shape)
    tokens = PatchifyAudio()(latent)
    assert torch.equal(tokens[0, 3], torch.arange(grid.channels * grid.bins).float())
    assert torch.equal(UnpatchifyAudio()(tokens, grid), latent)


def test_video_time_starts_with_one_frame_and_goes_on_in_eights() -> None:
    clip = Clip(25, 32, 64, 24.0)
    positions = VideoPositions(RELEASE_1_2_0)(clip.video, clip.fps, torch.bfloat16, CPU)
    frames = positions[0, 0, ::2] * 24
    assert frames.round().tolist() == [[0, 1], [1, 9], [9, 17], [17, 25]]
    assert positions[0, 2, :2].tolist() == [[0, 32], [32, 64]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_only_the_older_release_rounds_video_positions(dtype: torch.dtype) -> None:
    clip = Clip(33, 64, 64, 30000 / 1001)
    older, newer = (
        VideoPositions(release)(clip.video, clip.fps, dtype, CPU) for release in (RELEASE_1_0_0, RELEASE_1_2_0)
    )
    assert (older.dtype, newer.dtype) == (dtype, torch.float32)
    assert torch.equal(older, newer.to(dtype))


def test_audio_time_starts_with_one_mel_frame_and_goes_on_in_fours() -> None:
    grid = Clip(9, 64, 64, 24.0).audio
    positions = AudioPositions()(grid, CPU)
    assert positions.dtype is torch.float32
    assert (positions[0, 0, :4] * 100).round().tolist() == [[0, 1], [1, 5], [5, 9], [9, 13]]
