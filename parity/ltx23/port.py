"""The port, as the harness runs it."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.load import load_transformer
from ltx_port.errors import InputError
from ltx_port.transformer import DenoisedPrediction, ModalityInput, Perturbation, Skip
from parity.errors import BadInputError
from parity.ltx23.passes import ForwardPass, SampleSkips, Skipped, StreamInput

_SKIPS = {
    Skipped.VIDEO_SELF: Skip.VIDEO_SELF_ATTENTION,
    Skipped.AUDIO_SELF: Skip.AUDIO_SELF_ATTENTION,
    Skipped.A2V: Skip.AUDIO_TO_VIDEO,
    Skipped.V2A: Skip.VIDEO_TO_AUDIO,
}


def load_port(checkpoint: Path, device: torch.device, dtype: torch.dtype) -> DenoisedPrediction:
    """Give the port with the checkpoint's weights; BadInputError where the port refuses the file."""
    try:
        return DenoisedPrediction(load_transformer(CheckpointFile.open(checkpoint), device, dtype))
    except InputError as error:
        raise BadInputError(error.where, error.got, error.expected, error.next_step) from error


def call_port(model: nn.Module, forward: ForwardPass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model(_modality(forward.video), _modality(forward.audio), _perturbations(forward.skips))


def _modality(stream: StreamInput | None) -> ModalityInput | None:
    if stream is None:
        return None
    return ModalityInput(
        latent=stream.latent,
        sigma=stream.sigma,
        timesteps=stream.timesteps,
        positions=stream.positions,
        context=stream.context,
        enabled=stream.enabled,
        context_mask=stream.context_mask,
        attention_mask=stream.attention_mask,
    )


def _perturbations(skips: Sequence[SampleSkips]) -> list[Perturbation]:
    return [Perturbation({_SKIPS[skipped]: blocks for skipped, blocks in sample.items()}) for sample in skips]
