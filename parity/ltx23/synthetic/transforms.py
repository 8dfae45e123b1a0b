"""Filters and transforms of a vocoder: near the real ones, the same bits on every machine, and not symmetric.

Real filters are symmetric, which hides a kernel that is flipped or shifted, and a model has the same one everywhere,
which hides one taken from another place. So each is perturbed by noise of its own. Nothing here is a library's sine:
angles are integers, and every other step is one that IEEE arithmetic rounds correctly.
"""

import functools
import math

import torch
from torch import Tensor

from parity.ltx23.synthetic.recipe import Shape
from parity.ltx23.synthetic.weights import normal_like

# The outer half of the low-pass filter of BigVGAN's activations: 12 taps, half the rate, Kaiser window.
_LOW_PASS = (0.00202896645, 0.009389463944, -0.02554346407, -0.05765737548, 0.1285726091, 0.4432098001)
_FILTER_NOISE = 0.15
_BASIS_NOISE = 0.05
# Every frequency reaches every mel bin a little, so that no row of the transform is without effect.
_LEAKAGE, _LEAKAGE_NOISE = 0.02, 0.01

# Fixed-point numbers of the sines: the places behind the point, and those kept in the end.
_PLACES, _KEPT = 160, 60
_PI = 3141592653589793238462643383279502884197169399375105820974944592307816
_PI_UNIT = 10**69


def low_pass(key: str, shape: Shape) -> Tensor:
    """Give a filter [1, 1, 12] that sums to about 1."""
    assert shape == (1, 1, 2 * len(_LOW_PASS)), f"{key}: no filter of shape {shape}"
    taps = torch.tensor([*_LOW_PASS, *reversed(_LOW_PASS)], dtype=torch.float32)
    return (taps * _around_one(key, len(taps), _FILTER_NOISE)).view(shape)


def fourier_basis(key: str, shape: Shape) -> Tensor:
    """Give the windowed transform [2 * frequencies, 1, window]: cosines, then negative sines, under a Hann window."""
    rows, _, window = shape
    cosine, sine = unit_circle(window)
    turns = torch.outer(torch.arange(rows // 2), torch.arange(window)) % window
    basis = torch.cat([cosine[turns], -sine[turns]]) * (0.5 - 0.5 * cosine)
    return (basis.float() * _around_one(key, basis.numel(), _BASIS_NOISE).view(basis.shape)).view(shape)


def mel_basis(key: str, shape: Shape) -> Tensor:
    """Give the mel filter bank [bins, frequencies]: triangles that widen with frequency."""
    bins, frequencies = shape
    index = torch.arange(bins + 2, dtype=torch.float64)
    # Linear at the low end, quadratic at the high one, as mel frequencies roughly are.
    edges = index * (index + bins) * (frequencies - 1) / ((bins + 1) * (2 * bins + 1))
    low, centre, high = (edges[first : first + bins, None] for first in range(3))
    at = torch.arange(frequencies, dtype=torch.float64)
    triangles = torch.minimum((at - low) / (centre - low), (high - at) / (high - centre)).clamp(min=0)
    noise = normal_like(0, key, 0, bins * frequencies, torch.device("cpu")).view(shape)
    # 3.5 deviations are the most that the noise has: no entry falls below 0.
    return triangles.float() + (noise * (_LEAKAGE_NOISE / 2) + _LEAKAGE)


def _around_one(key: str, count: int, spread: float) -> Tensor:
    return normal_like(0, key, 0, count, torch.device("cpu")) * spread + 1


@functools.lru_cache(maxsize=8)
def unit_circle(steps: int) -> tuple[Tensor, Tensor]:
    """Give cosine and sine of `steps` angles around the circle as float64, each correctly rounded."""
    one = 1 << _PLACES
    cosine_step, sine_step = _first_step(2 * _PI * one // (_PI_UNIT * steps))
    cosines, sines, cosine, sine = [], [], one, 0
    for _ in range(steps):
        cosines.append(_to_float(cosine))
        sines.append(_to_float(sine))
        cosine, sine = (
            (cosine * cosine_step - sine * sine_step) >> _PLACES,
            (sine * cosine_step + cosine * sine_step) >> _PLACES,
        )
    return torch.tensor(cosines, dtype=torch.float64), torch.tensor(sines, dtype=torch.float64)


def _first_step(angle: int) -> tuple[int, int]:
    """Give cosine and sine of a fixed-point angle, by their series."""
    sums, term, power = [0, 0], 1 << _PLACES, 0
    while term:
        sums[power % 2] += term if power % 4 < 2 else -term
        power += 1
        term = (term * angle >> _PLACES) // power
    return sums[0], sums[1]


def _to_float(number: int) -> float:
    kept = (number + (1 << (_PLACES - _KEPT - 1))) >> (_PLACES - _KEPT)
    return math.ldexp(kept, -_KEPT)
