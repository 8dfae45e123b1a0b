"""What somebody sees or hears of an error: every measure against a closed form, and SSIM against a published value."""

import math

import pytest
import torch
from torch import Tensor

from parity.errors import BadInputError
from parity.trajectory.frames import psnr, ssim
from parity.trajectory.sound import WINDOW, log_spectral_distance, snr


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


FRAMES = noise(2, 32, 40, 3) * 0.9
SOUND = noise(2, 3 * WINDOW) - 0.5


@pytest.mark.parametrize("offset", [0.1, 0.01, 1 / 255])
def test_psnr_of_a_constant_error(offset: float) -> None:
    assert psnr(FRAMES + offset, FRAMES) == pytest.approx(-20 * math.log10(offset), abs=1e-4)
    assert psnr(255 * (FRAMES + offset), 255 * FRAMES, peak=255) == pytest.approx(-20 * math.log10(offset), abs=1e-3)


@pytest.mark.parametrize(("one", "other"), [(0.2, 0.8), (0.5, 0.5), (0.0, 1.0)])
def test_ssim_of_flat_frames_is_that_of_their_luminance(one: float, other: float) -> None:
    frames = torch.ones(1, 16, 16, 3)
    expected = (2 * one * other + 1e-4) / (one**2 + other**2 + 1e-4)
    assert ssim(one * frames, other * frames) == pytest.approx(expected, abs=1e-6)


def test_ssim_of_noise_and_three_quarters_of_it_is_the_published_value() -> None:
    """The documentation of torchmetrics 1.0 gives 0.9219 for torch.rand(3, 3, 256, 256) and 0.75 times that."""
    frames = noise(9, 256, 256, 1)
    assert round(ssim(frames, 0.75 * frames), 4) == 0.9219


def test_ssim_falls_with_structure_not_with_brightness() -> None:
    """An offset and noise of one mean squared error: the noise is worse."""
    grain = 0.1 * torch.sign(noise(2, 32, 40, 3, seed=1) - 0.5)
    assert psnr(FRAMES + 0.1, FRAMES) == pytest.approx(psnr(FRAMES + grain, FRAMES), abs=1e-3)
    assert ssim(FRAMES + grain, FRAMES) < ssim(FRAMES + 0.1, FRAMES) - 0.02


def test_ssim_does_not_mix_colours_or_frames() -> None:
    """One wrong colour of one frame costs its share of the mean."""
    wrong = FRAMES.clone()
    wrong[0, :, :, 1] = 1 - wrong[0, :, :, 1]
    alone = ssim(wrong[:1, :, :, 1:2], FRAMES[:1, :, :, 1:2])
    assert ssim(wrong, FRAMES) == pytest.approx(1 - (1 - alone) / 6, abs=1e-9)


@pytest.mark.parametrize("factor", [0.5, 0.99, 1.01])
def test_snr_of_a_scaled_sound(factor: float) -> None:
    assert snr(factor * SOUND, SOUND) == pytest.approx(-20 * math.log10(abs(1 - factor)), abs=1e-3)


@pytest.mark.parametrize("factor", [0.5, 0.9, 2.0])
def test_log_spectral_distance_of_a_scaled_sound_is_the_change_of_level(factor: float) -> None:
    assert log_spectral_distance(factor * SOUND, SOUND) == pytest.approx(abs(20 * math.log10(factor)), abs=1e-4)


def test_log_spectral_distance_is_the_root_mean_square_over_frequency() -> None:
    """An impulse and its echo, in one window: the level is that of 1 + g e^(-iwT), the same for every impulse."""
    at, delay, strength = 700, 90, 0.4
    clean, echoed = torch.zeros(2, WINDOW), torch.zeros(2, WINDOW)
    clean[:, at] = echoed[:, at] = 1.0
    echoed[:, at + delay] = strength
    hann = [math.sin(math.pi * place / WINDOW) ** 2 for place in (at, at + delay)]
    gain = strength * hann[1] / hann[0]
    turns = torch.arange(WINDOW // 2 + 1, dtype=torch.float64) / WINDOW * 2 * math.pi * delay
    levels = 10 * torch.log10(1 + gain**2 + 2 * gain * torch.cos(turns))
    assert log_spectral_distance(echoed, clean) == pytest.approx(float(levels.square().mean().sqrt()), rel=1e-6)


def test_log_spectral_distance_hears_no_sign() -> None:
    assert log_spectral_distance(-SOUND, SOUND) == pytest.approx(0, abs=1e-9)
    assert snr(-SOUND, SOUND) == pytest.approx(-20 * math.log10(2), abs=1e-6)


def test_what_is_far_below_the_loudest_is_not_heard() -> None:
    tone = torch.sin(torch.arange(3 * WINDOW) * 2 * math.pi * 64 / WINDOW).expand(2, -1)
    assert log_spectral_distance(tone + 1e-7 * SOUND, tone) < 1e-2
    assert log_spectral_distance(tone + 1e-2 * SOUND, tone) > 10


def test_equals_are_perfect() -> None:
    assert psnr(FRAMES, FRAMES) == math.inf
    assert ssim(FRAMES, FRAMES) == pytest.approx(1)
    assert snr(SOUND, SOUND) == math.inf
    assert log_spectral_distance(SOUND, SOUND) == 0
    assert snr(SOUND, torch.zeros_like(SOUND)) == -math.inf


@pytest.mark.parametrize("measure", [psnr, ssim, snr, log_spectral_distance])
def test_what_cannot_be_compared_is_refused(measure) -> None:
    for one, other in ((torch.ones(1, 16, 16, 3), torch.ones(1, 16, 17, 3)), (torch.ones(0), torch.ones(0))):
        with pytest.raises(BadInputError, match="shape"):
            measure(one, other)


def test_what_is_too_small_for_a_window_is_refused() -> None:
    with pytest.raises(BadInputError, match="10x16"):
        ssim(torch.ones(1, 10, 16, 3), torch.ones(1, 10, 16, 3))
    with pytest.raises(BadInputError, match=f"{WINDOW - 1} samples"):
        log_spectral_distance(torch.ones(2, WINDOW - 1), torch.ones(2, WINDOW - 1))
