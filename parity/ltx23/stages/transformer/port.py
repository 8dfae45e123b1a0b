"""The port, as the harness runs it."""

from collections.abc import Sequence

from torch import nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.load import load_transformer
from ltx_port.release import release_named
from ltx_port.transformer import DenoisedPrediction, ModalityInput, Perturbation, Skip
from ltx_port.transformer.attention import AttentionBackend
from parity.ltx23.refusals import refusals
from parity.ltx23.stage import Load
from parity.ltx23.stages.transformer.passes import ForwardPass, SampleSkips, Skipped, StreamInput

_SKIPS = {
    Skipped.VIDEO_SELF: Skip.VIDEO_SELF_ATTENTION,
    Skipped.AUDIO_SELF: Skip.AUDIO_SELF_ATTENTION,
    Skipped.A2V: Skip.AUDIO_TO_VIDEO,
    Skipped.V2A: Skip.VIDEO_TO_AUDIO,
}


def load(request: Load) -> DenoisedPrediction:
    """Give the port with the checkpoint's weights; BadInputError where the port refuses the file."""
    with refusals():
        checkpoint = CheckpointFile.open(request.files["checkpoint"])
        release = release_named(request.release)
        model = DenoisedPrediction(
            load_transformer(checkpoint, request.device, request.dtype, release, request.weights)
        )
    model.transformer.set_attention_backend(AttentionBackend(request.attention))
    return model


def call(model: nn.Module, forward: ForwardPass) -> None:
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
