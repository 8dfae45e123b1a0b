"""The probe inputs: as the official code makes them, and such that they hide nothing."""

import pytest
import torch

from parity.ltx23.stage import SEED, Case
from parity.ltx23.stages.transformer import TRANSFORMER
from parity.ltx23.stages.transformer.inputs import Draw, Geometry, audio_positions, stream_input, video_positions
from parity.ltx23.world import World


@pytest.mark.reference
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("frames", "height", "width", "fps"), [(25, 64, 96, 24.0), (9, 64, 64, 22.0), (121, 512, 768, 25.0)]
)
def test_positions_are_those_of_the_official_code(
    frames: int, height: int, width: int, fps: float, dtype: torch.dtype
) -> None:
    from reference_dumps.official.positions import official_positions

    video, audio = official_positions((frames, height, width), fps, dtype)
    geometry = Geometry(frames, height, width, fps)
    assert torch.equal(video_positions(geometry, 1, dtype), video)
    assert torch.equal(audio_positions(geometry, 1), audio)
    assert video.dtype is dtype
    assert audio.dtype is torch.float32


@pytest.mark.parametrize("case", [c for c in TRANSFORMER.cases if not c.real_size], ids=lambda case: case.id)
def test_sigmas_and_token_counts_of_the_streams_differ(case: Case) -> None:
    with World() as world:
        for forward in world.forwards(case, torch.float32):
            video, audio = forward.inputs.video, forward.inputs.audio
            if video is None or audio is None:
                continue
            assert video.latent.shape[1] != audio.latent.shape[1]
            assert not set(video.sigma.tolist()) & set(audio.sigma.tolist())


def test_samples_differ_in_everything() -> None:
    draw = Draw(SEED, "test", (0.9, 0.7))
    stream = stream_input(draw, 24, 16, 64, torch.zeros(2, 3, 24, 2))
    for name, tensor in stream.tensors().items():
        if name != "positions":
            assert not torch.equal(tensor[0], tensor[1]), name


def test_tokens_are_clean_half_and_fully_noisy() -> None:
    stream = stream_input(Draw(SEED, "test", (0.9,)), 24, 16, 64, torch.zeros(1, 3, 24, 2))
    ratios = {round(float(t), 3) for t in (stream.timesteps / stream.sigma).flatten()}
    assert ratios == {0.0, 0.35, 1.0}
    weights = stream.attention_mask
    assert weights is not None
    assert (weights == 0).any()
    assert (weights == 1).any()
    assert ((weights > 0) & (weights < 1)).any()


def test_inputs_are_the_same_numbers_in_every_precision() -> None:
    stream = stream_input(Draw(SEED, "test", (0.9,)), 24, 16, 64, torch.zeros(1, 3, 24, 2))
    narrow = stream.to(torch.bfloat16)
    assert torch.equal(narrow.latent.float(), stream.latent)
    assert torch.equal(narrow.context.float(), stream.context)
