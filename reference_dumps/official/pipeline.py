"""The official pipelines, run whole from the same files.

They are called as their command lines call them. What they call is replaced by modules that call it and that hooks can
go on; their CUDA calls do nothing on a CPU; and release 1.0.0 gets the text encoder that its own loader cannot build
with this transformers; and a vocoder is laid out once, before it has weights. Nothing else is touched.
"""

# Before any official module that imports torchaudio, or OpenImageIO in its stead.
import reference_dumps.official.openimageio_stand_in

import reference_dumps.official.torchaudio_without_extension  # noqa: F401  isort: skip

from contextlib import nullcontext

from torch import nn

from parity.ltx23.portable_noise import portable_noise
from parity.ltx23.stages.pipeline.passes import Generation
from parity.ltx23.terms import Load

_FIRST = "1.0.0"


def load(request: Load) -> nn.Module:
    """Give the official pipeline of the route that the case asks for."""
    if request.release == _FIRST:
        from reference_dumps.official.pipeline_1_0_0 import FirstPipeline

        return FirstPipeline(request)
    from reference_dumps.official.pipeline_1_2_0 import NewestPipeline

    return NewestPipeline(request)


def call(model: nn.Module, given: Generation) -> None:
    """Run one generation; what it computes is seen through hooks."""
    with portable_noise() if given.portable_noise else nullcontext():
        model(given)


def default_negative_prompt() -> str:
    """Give what the official command lines take where no negative prompt is given."""
    from ltx_pipelines.utils.constants import DEFAULT_NEGATIVE_PROMPT

    return DEFAULT_NEGATIVE_PROMPT
