"""Noise that is the same numbers on every machine, for recordings that are judged on others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor


@contextmanager
def portable_noise() -> Iterator[None]:
    """Let `torch.randn` draw with a generator in float32 on the CPU, whatever dtype and device are asked for.

    A GPU draws other numbers from the same seed, and torch 2.11 draws other bfloat16 ones than torch 2.13; float32 on
    the CPU has stayed. Both sides of a comparison run inside, so that what is compared is all but the draw itself,
    which live runs prove without this.
    """
    plain = torch.randn
    # Each with its generator, which keeps the identity from being given to another: torch 2.11 has no weak ones.
    twins: dict[int, tuple[torch.Generator, torch.Generator]] = {}

    def drawn(*size: Any, generator: torch.Generator | None = None, **asked: Any) -> Tensor:
        if generator is None:
            return plain(*size, **asked)
        if id(generator) not in twins:
            twins[id(generator)] = generator, torch.Generator().manual_seed(generator.initial_seed())
        noise = plain(*size, generator=twins[id(generator)][1], dtype=torch.float32)
        return noise.to(device=asked.get("device", generator.device), dtype=asked.get("dtype"))

    with mock.patch.object(torch, "randn", drawn):
        yield
