"""One tensor of a synthetic checkpoint, readable in slices of any size."""

import math

import torch

from parity.ltx23.synthetic.components import recipe_for
from parity.ltx23.synthetic.heavy import Profile, row_gains
from parity.ltx23.synthetic.weights import normal_like


class SyntheticTensor:
    """The values under one official key, a function of (seed, profile, key, shape) alone."""

    def __init__(self, key: str, shape: tuple[int, ...], seed: int, profile: Profile, device: torch.device):
        self.key, self.shape = key, shape
        self._seed, self._device = seed, device
        self._recipe = recipe_for(key, shape)
        make = self._recipe.values
        self._whole = None if make is None else make(shape).flatten()
        heavy = profile is Profile.HEAVY and self._recipe.is_matrix
        self._gains = row_gains(seed, key, shape[0], device) if heavy else None

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Give elements [start, stop) in row-major order as float32 [stop - start]."""
        if self._whole is not None:
            return self._whole[start:stop].to(self._device)
        values = normal_like(self._seed, self.key, start, stop, self._device)
        # Multiplication and addition stay apart: fused into one they would round once, on some devices only.
        values.mul_(self._recipe.scale).add_(self._recipe.offset)
        if self._gains is not None:
            rows = torch.arange(start, stop, device=self._device).div_(self.shape[1], rounding_mode="floor")
            values.mul_(self._gains[rows])
        return values
