"""What holds of schedules, guidance and samplers beyond their agreement with the reference."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from ltx_port.denoise import (
    DISTILLED_SIGMAS,
    LTX_2_3,
    LTX_2_3_HQ,
    STAGE_2_SIGMAS,
    EulerLoop,
    GuidanceScales,
    GuidedDenoiser,
    GuidedRun,
    NoisyStream,
    Res2sLoop,
    ShiftedSchedule,
    SimpleDenoiser,
    SimpleRun,
    Text,
)
from ltx_port.denoise.denoiser import Guidance, Level, Pair
from ltx_port.denoise.fresh_noise import FreshNoise, FreshShare
from ltx_port.denoise.guidance import Guide, Predictions
from ltx_port.denoise.res_2s import StepCoefficients
from ltx_port.denoise.schedule import shift_for
from ltx_port.errors import InputError
from ltx_port.release import RELEASE_1_0_0, RELEASE_1_2_0, RELEASES, Release
from ltx_port.transformer import ModalityInput, Perturbation, Skip

OFF = GuidanceScales(cfg=1.0, stg=0.0, stg_blocks=(), modality=1.0, rescale=0.0, skip_step=0)
ON = GuidanceScales(cfg=4.0, stg=0.5, stg_blocks=(3,), modality=2.0, rescale=0.5, skip_step=0)
BOTH = sorted(RELEASES)


class Perfect(nn.Module):
    """Knows x0; keeps what it was asked."""

    def __init__(self, video: Tensor, audio: Tensor):
        super().__init__()
        self.x0 = video, audio
        self.asked: list[tuple[ModalityInput, ModalityInput, list[Perturbation] | None]] = []

    def forward(
        self, video: ModalityInput, audio: ModalityInput, perturbations: list[Perturbation] | None
    ) -> tuple[Tensor, Tensor]:
        self.asked.append((video, audio, perturbations))
        count = video.latent.shape[0]
        return self.x0[0].expand(count, -1, -1), self.x0[1].expand(count, -1, -1)


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def streams() -> Pair:
    video = NoisyStream(drawn(1, 1, 4, 8), drawn(2, 1, 4, 8), torch.ones(1, 4, 1), torch.zeros(1, 3, 4, 2))
    audio = NoisyStream(drawn(3, 1, 6, 8), drawn(4, 1, 6, 8), torch.ones(1, 6, 1), torch.zeros(1, 1, 6, 2))
    return Pair(video, audio)


def text(seed: int = 5) -> Text:
    return Text(drawn(seed, 1, 2, 8), drawn(seed + 1, 1, 2, 8))


def perfect() -> Perfect:
    return Perfect(drawn(7, 1, 4, 8), drawn(8, 1, 6, 8))


@pytest.mark.parametrize("loop", [EulerLoop, Res2sLoop])
@pytest.mark.parametrize("release", BOTH)
def test_a_perfect_model_gives_its_x0(loop: Callable[[], nn.Module], release: str) -> None:
    model = perfect()
    run = SimpleRun(SimpleDenoiser(model, RELEASES[release]), text())
    found = loop()(run, torch.tensor(STAGE_2_SIGMAS), streams())
    torch.testing.assert_close(found.video.latent, model.x0[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(found.audio.latent, model.x0[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("loop", [EulerLoop, Res2sLoop])
def test_clean_tokens_come_out_as_they_were_given(loop: Callable[[], nn.Module]) -> None:
    start = streams()
    mask = torch.tensor([0.0, 1.0, 1.0, 1.0]).view(1, 4, 1)
    latent = torch.where(mask == 0, start.video.clean, start.video.latent)
    start = start._replace(video=replace(start.video, mask=mask, latent=latent))
    found = loop()(SimpleRun(SimpleDenoiser(perfect()), text()), torch.tensor(DISTILLED_SIGMAS), start)
    torch.testing.assert_close(found.video.latent[:, 0], start.video.clean[:, 0], rtol=0, atol=1e-6)


def test_res_2s_evaluates_twice_a_step_and_once_more() -> None:
    model = perfect()
    Res2sLoop()(SimpleRun(SimpleDenoiser(model), text()), torch.tensor(STAGE_2_SIGMAS), streams())
    levels = [float(video.sigma) for video, _, _ in model.asked]
    assert len(levels) == 2 * 3 + 1
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] == pytest.approx(0.0011)


def test_guidance_with_every_scale_off_is_one_pass() -> None:
    model = perfect()
    run = GuidedRun(GuidedDenoiser(model), text(), Guidance(OFF, OFF, None))
    found = run(streams(), Level(torch.tensor(0.5), 0))
    assert len(model.asked) == 1
    assert torch.equal(found.video, model.x0[0])


@pytest.mark.parametrize(("release", "max_batch", "sizes"), [
    (RELEASE_1_0_0, 4, [1, 1, 1, 1]), (RELEASE_1_2_0, 1, [1, 1, 1, 1]), (RELEASE_1_2_0, 3, [3, 1]),
    (RELEASE_1_2_0, 4, [4]),
])  # fmt: skip
def test_passes_come_in_one_order_however_they_are_batched(release: Release, max_batch: int, sizes: list[int]) -> None:
    model, positive, negative = perfect(), text(), text(20)
    denoiser = GuidedDenoiser(model, release, max_batch)
    GuidedRun(denoiser, positive, Guidance(ON, OFF, negative))(streams(), Level(torch.tensor(0.5), 0))
    assert [video.latent.shape[0] for video, _, _ in model.asked] == sizes
    contexts = torch.cat([video.context for video, _, _ in model.asked])
    assert torch.equal(contexts, torch.cat([positive.video, negative.video, positive.video, positive.video]))
    skips = [sample.skips for _, _, samples in model.asked for sample in samples or []]
    isolated = {Skip.AUDIO_TO_VIDEO: None, Skip.VIDEO_TO_AUDIO: None}
    assert skips == [{}, {}, {Skip.VIDEO_SELF_ATTENTION: frozenset({3})}, isolated]


def test_a_stream_that_skips_a_step_keeps_its_prediction() -> None:
    model = perfect()
    scales = replace(OFF, skip_step=1)
    run = GuidedRun(GuidedDenoiser(model), text(), Guidance(scales, OFF, None))
    first = run(streams(), Level(torch.tensor(0.5), 0))
    model.x0 = model.x0[0] + 1, model.x0[1] + 1
    second = run(streams(), Level(torch.tensor(0.4), 1))
    assert torch.equal(second.video, first.video)
    assert torch.equal(second.audio, model.x0[1])
    video, audio, _ = model.asked[-1]
    assert (video.enabled, audio.enabled) == (False, True)


def test_rescaled_guidance_has_the_contrast_of_the_prediction() -> None:
    predictions = Predictions(*(drawn(seed, 1, 4, 8) for seed in range(4)))
    guided = Guide(RELEASE_1_2_0)(predictions, replace(ON, rescale=1.0))
    torch.testing.assert_close(guided.std(), predictions.conditioned.std())


def test_guidance_is_rounded_once_in_float32_and_often_in_bfloat16() -> None:
    """Fault S7 is one release's truth: the two must not agree in bfloat16."""
    predictions = Predictions(*(drawn(seed, 1, 16, 8).bfloat16() for seed in range(4)))
    first, newest = Guide(RELEASE_1_0_0)(predictions, ON), Guide(RELEASE_1_2_0)(predictions, ON)
    assert first.dtype == newest.dtype == torch.bfloat16
    exact = Guide(RELEASE_1_2_0)(predictions.to(torch.float32), ON)
    assert torch.equal(newest, exact.bfloat16())
    assert not torch.equal(first, newest)


@pytest.mark.parametrize(("release", "sigma", "dtype"), [
    ("1.0.0", 0.5, torch.float32), ("1.2.0", 0.5, torch.float64), ("1.2.0", 0.0, torch.float64),
])  # fmt: skip
def test_a_held_stream_tells_its_release_s_level(release: str, sigma: float, dtype: torch.dtype) -> None:
    model, start = perfect(), streams()
    held = replace(start.audio, mask=torch.zeros_like(start.audio.mask), held=sigma == 0)
    level = Level(torch.tensor(0.5, dtype=torch.float64), 0)
    SimpleRun(SimpleDenoiser(model, RELEASES[release]), text())(start._replace(audio=held), level)
    video, audio, _ = model.asked[0]
    assert float(audio.sigma) == sigma
    assert float(video.sigma) == 0.5
    assert video.timesteps.dtype == dtype
    assert not audio.timesteps.any()


@pytest.mark.parametrize(("steps", "grid"), [(2, None), (30, None), (15, (16, 17, 30)), (8, (2, 4, 4))])
def test_a_schedule_falls_from_one_to_a_tenth_to_zero(steps: int, grid: tuple[int, int, int] | None) -> None:
    sigmas = ShiftedSchedule()(steps, grid)
    assert sigmas.shape == (steps + 1,)
    assert (sigmas[1:] < sigmas[:-1]).all()
    # Not always 1: the division rounds, and its error is stretched with the rest.
    assert float(sigmas[0]) == pytest.approx(1, abs=1e-6)
    assert sigmas[-1] == 0
    assert float(sigmas[-2]) == pytest.approx(0.1, abs=1e-6)


def test_the_shift_goes_through_its_two_anchors() -> None:
    assert shift_for(1024) == pytest.approx(0.95)
    assert shift_for(4096) == pytest.approx(2.05)


def test_the_defaults_are_those_of_the_release() -> None:
    assert (LTX_2_3.steps, LTX_2_3_HQ.steps) == (30, 15)
    assert LTX_2_3.video.stg_blocks == LTX_2_3.audio.stg_blocks == (28,)
    assert not LTX_2_3_HQ.video.needs_perturbed


def test_fresh_noise_is_standardised_in_each_sample() -> None:
    noise = FreshNoise()(torch.zeros(2, 5, 7), torch.Generator().manual_seed(-1))
    torch.testing.assert_close(noise.mean(dim=(1, 2)), torch.zeros(2, dtype=torch.float64))
    torch.testing.assert_close(noise.std(dim=(1, 2)), torch.ones(2, dtype=torch.float64))


def test_own_and_fresh_noise_make_up_the_level() -> None:
    following = torch.tensor(0.6, dtype=torch.float64)
    factor, own, fresh = FreshShare()(following)
    torch.testing.assert_close((factor * own) ** 2 + fresh**2, following**2)
    torch.testing.assert_close(factor * (1 - own), 1 - following)


@pytest.mark.parametrize("h", [0.0, 1e-12, 0.1, 3.0])
def test_second_order_coefficients_sum_to_the_first_order_step(h: float) -> None:
    _, first, second = StepCoefficients()(torch.tensor(h, dtype=torch.float64)).tolist()
    assert first + second == pytest.approx(StepCoefficients.phi(1, -h))


@pytest.mark.parametrize(("sigmas", "named"), [
    ((0.5,), "1 levels"), ((0.5, 0.7, 0.0), r"sigmas\[0:2\]"), ((0.5, 0.0, 0.0), r"sigmas\[1:3\]"), ((2.0, 0.5), "2.0"),
    ((0.5, float("nan")), "nan"),
])  # fmt: skip
@pytest.mark.parametrize("loop", [EulerLoop, Res2sLoop])
def test_levels_that_do_not_fall_are_refused(
    loop: Callable[[], nn.Module], sigmas: tuple[float, ...], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        loop()(SimpleRun(SimpleDenoiser(perfect()), text()), torch.tensor(sigmas), streams())


def test_a_schedule_without_room_is_refused() -> None:
    with pytest.raises(InputError, match="1 steps"):
        ShiftedSchedule()(1)
    # The reference gives NaN here.
    with pytest.raises(InputError, match="67320 tokens"):
        ShiftedSchedule()(40, (33, 34, 60))


def test_guidance_without_a_negative_prompt_is_refused() -> None:
    run = GuidedRun(GuidedDenoiser(perfect()), text(), Guidance(OFF, ON, None))
    with pytest.raises(InputError, match="negative prompt"):
        run(streams(), Level(torch.tensor(0.5), 0))


def test_no_samples_at_a_time_is_refused() -> None:
    with pytest.raises(InputError, match="max_batch 0"):
        GuidedDenoiser(perfect(), max_batch=0)
