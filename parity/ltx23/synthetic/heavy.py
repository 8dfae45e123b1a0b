"""Which output channels are outliers: trained weights have a few, and low precision fails on them."""

from enum import StrEnum

import torch

from parity.ltx23.synthetic.weights import random_bits

_ROWS_PER_HEAVY_ROW = 256
_LEAST_GAIN = 10
_GAIN_RANGE = 40


class Profile(StrEnum):
    """What the weights are for."""

    ALIVE = "alive"
    """Every tensor matters; all channels of like size."""
    HEAVY = "heavy"
    """The same, but a few output channels of every matrix are 10 to 50 times as large."""


def row_gains(seed: int, key: str, rows: int, device: torch.device | str) -> torch.Tensor:
    """Give a factor for each row of a matrix as float32 [rows]: 1, and for one row in 256 from 10 up to 50.

    A matrix with fewer rows has one such row.
    """
    bits = random_bits(seed, f"{key}#heavy", 0, rows, device)
    heavy = torch.argsort(bits, stable=True)[: max(1, rows // _ROWS_PER_HEAVY_ROW)]
    gains = torch.ones(rows, dtype=torch.float32, device=device)
    # Every step but the last addition is exact in float32: 16 bits times 40 has 22.
    gains[heavy] = (bits[heavy] & 0xFFFF).to(torch.float32) * _GAIN_RANGE / 65536 + _LEAST_GAIN
    return gains
