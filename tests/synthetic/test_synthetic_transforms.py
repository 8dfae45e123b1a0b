"""The filters and transforms of synthetic vocoders: near the real ones, each its own, none symmetric."""

import math

import pytest
import torch

from parity.ltx23.synthetic.transforms import fourier_basis, low_pass, mel_basis, unit_circle


@pytest.mark.parametrize("steps", [40, 64, 512])
def test_the_circle_is_correctly_rounded(steps: int) -> None:
    cosine, sine = unit_circle(steps)
    for index in range(steps):
        angle = 2 * math.pi * index / steps
        assert abs(float(cosine[index]) - math.cos(angle)) < 1e-15
        assert abs(float(sine[index]) - math.sin(angle)) < 1e-15
    quarter = steps // 4
    assert (float(cosine[quarter]), float(sine[quarter])) == (0.0, 1.0), "no dust where the value is known"


def test_a_low_pass_passes_what_is_slow_and_is_not_symmetric() -> None:
    first, second = (low_pass(key, (1, 1, 12)).flatten() for key in ("a", "b"))
    assert abs(float(first.sum()) - 1) < 0.3
    assert not torch.equal(first, second)
    assert float((first - first.flip(0)).abs().max()) > 0.01


def test_a_basis_is_a_windowed_transform() -> None:
    window, frequencies = 64, 33
    basis = fourier_basis("a", (2 * frequencies, 1, window)).squeeze(1)
    time = torch.arange(window)
    wave = torch.cos(2 * torch.pi * 5 * time / window + 1.0)
    spectrum = basis @ wave
    magnitude = torch.sqrt(spectrum[:frequencies] ** 2 + spectrum[frequencies:] ** 2)
    assert int(magnitude.argmax()) == 5
    # Half of the window's area, and as far as the noise goes.
    assert abs(float(magnitude[5]) - window / 4) < 1.0
    assert float(basis[:, 0].abs().max()) == 0.0, "a Hann window starts at zero"


def test_every_frequency_reaches_every_mel_bin() -> None:
    bank = mel_basis("a", (64, 257))
    assert float(bank.min()) > 0
    assert torch.equal(bank.argmax(dim=1).sort().values, bank.argmax(dim=1)), "higher bins listen to higher frequencies"
