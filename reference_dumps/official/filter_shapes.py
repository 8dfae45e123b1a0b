"""The official vocoder's low-pass filters while it is laid out without weights: one of each shape is enough.

The official loader builds a model on the meta device, where a filter has a shape and no numbers, and then takes the
numbers from the checkpoint. torch works a hundred such filters out step by step in Python, which takes a second for
each vocoder, a third of the time of a whole generation of a tiny one. Nothing that holds a number is touched.
"""

# Before the official modules, which import torchaudio.
from reference_dumps.official import torchaudio_without_extension  # noqa: F401

# isort: split
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from unittest import mock

import torch
from ltx_core.model.audio_vae import vocoder
from torch import Tensor

Filter = Callable[[float, float, int], Tensor]


@contextmanager
def filters_laid_out_once() -> Iterator[None]:
    """Lay filters out once for the same arguments; those with numbers are made as ever."""
    with mock.patch.object(vocoder, "kaiser_sinc_filter1d", _laid_out_once(vocoder.kaiser_sinc_filter1d)):
        yield


def _laid_out_once(plain: Filter) -> Filter:
    laid_out = cache(plain)

    def made(cutoff: float, half_width: float, kernel_size: int) -> Tensor:
        if torch.get_default_device().type != "meta":
            return plain(cutoff, half_width, kernel_size)
        return laid_out(cutoff, half_width, kernel_size).clone()

    return made
