"""Noise levels (sigmas) of the steps: from 1, pure noise, to 0."""

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.errors import InputError

# Source: ltx_pipelines.utils.constants of both releases.
DISTILLED_SIGMAS = (1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0.0)
STAGE_2_SIGMAS = (0.909375, 0.725, 0.421875, 0.0)

# Source: ltx_core.components.schedulers (LTX2Scheduler), which takes nothing from the checkpoint.
DEFAULT_TOKENS = 4096
TERMINAL_SIGMA = 0.1
_FEWEST_TOKENS, _LEAST_SHIFT = 1024, 0.95
_MOST_TOKENS, _MOST_SHIFT = 4096, 2.05

LatentGrid = tuple[int, int, int]


def shift_for(tokens: int) -> float:
    """Give the shift for a number of latent tokens: a line through 0.95 at 1024 and 2.05 at 4096, not cut off."""
    # In this order of operations: the sigmas below follow its last bit.
    slope = (_MOST_SHIFT - _LEAST_SHIFT) / (_MOST_TOKENS - _FEWEST_TOKENS)
    return tokens * slope + (_LEAST_SHIFT - slope * _FEWEST_TOKENS)


class ShiftSigmas(nn.Module):
    """Moves noise levels up: the more tokens, the longer a clip stays noisy."""

    def forward(self, sigmas: Float[Tensor, " levels"], shift: float) -> Float[Tensor, " levels"]:
        """Give e^shift / (e^shift + 1/sigma - 1), and 0 for 0."""
        scale = math.exp(shift)
        return torch.where(sigmas != 0, scale / (scale + (1 / sigmas - 1)), 0)


class StretchSigmas(nn.Module):
    """Stretches noise levels away from 1, so that the last before 0 is `TERMINAL_SIGMA`."""

    def forward(self, sigmas: Float[Tensor, " levels"]) -> Float[Tensor, " levels"]:
        """Give the stretched levels; a 0 stays."""
        noisy = sigmas != 0
        removed = 1.0 - sigmas[noisy]
        stretched = sigmas.clone()
        stretched[noisy] = 1.0 - removed / (removed[-1] / (1.0 - TERMINAL_SIGMA))
        return stretched


class ShiftedSchedule(nn.Module):
    """The schedule of the undistilled model."""

    def __init__(self) -> None:
        super().__init__()
        self.shift = ShiftSigmas()
        self.stretch = StretchSigmas()

    def forward(self, steps: int, grid: LatentGrid | None = None) -> Float[Tensor, " levels"]:
        """Give steps + 1 float32 levels on the CPU, from 1 (or just below, as float32 rounds) to 0.

        `grid` is (frames, rows, columns) of the latent; without it the schedule is that of 4096 tokens, whatever the
        size. One- and two-stage generation give none, high-quality generation that of its first stage. InputError for
        fewer than two steps, which leave no room for a terminal level, and for so many tokens that no level differs
        from 1 in float32 (about 45,000), where the reference gives NaN.
        """
        if steps < 2:
            raise InputError("schedule", f"{steps} steps", "two or more", "ask for more steps")
        tokens = DEFAULT_TOKENS if grid is None else math.prod(grid)
        shifted = self.shift(torch.linspace(1.0, 0.0, steps + 1), shift_for(tokens))
        if shifted[-2] == 1:
            raise InputError("schedule", f"{tokens} tokens", "few enough for a schedule", "use the default schedule")
        return self.stretch(shifted)


def check_sigmas(sigmas: Float[Tensor, " levels"]) -> None:
    """Refuse levels that do not fall from step to step, or that end before the schedule does."""
    levels = sigmas.tolist()
    if len(levels) < 2:
        raise InputError("sigmas", f"{len(levels)} levels", "two or more", "give one level more than there are steps")
    for number, (level, following) in enumerate(pairwise(levels)):
        if not 0 <= following < level <= 1:
            raise InputError(
                f"sigmas[{number}:{number + 2}]", f"{level}, {following}", "levels in [0, 1] that fall", "sort them"
            )
