"""The official transformer, built by the official loader from a checkpoint file and called as its pipelines do."""

import inspect

from ltx_core.guidance.perturbations import (
    BatchedPerturbationConfig,
    Perturbation,
    PerturbationConfig,
    PerturbationType,
)
from ltx_core.loader import SingleGPUModelBuilder
from ltx_core.model.transformer.modality import Modality
from ltx_core.model.transformer.model import X0Model
from ltx_core.model.transformer.model_configurator import LTXV_MODEL_COMFY_RENAMING_MAP, LTXModelConfigurator
from torch import nn

from parity.ltx23.stages.transformer.passes import ForwardPass, SampleSkips, Skipped, StreamInput
from parity.ltx23.terms import Load
from reference_dumps.official.whole import whole

_TYPES = {
    Skipped.VIDEO_SELF: PerturbationType.SKIP_VIDEO_SELF_ATTN,
    Skipped.AUDIO_SELF: PerturbationType.SKIP_AUDIO_SELF_ATTN,
    Skipped.A2V: PerturbationType.SKIP_A2V_CROSS_ATTN,
    Skipped.V2A: PerturbationType.SKIP_V2A_CROSS_ATTN,
}

# 1.2.0 makes the masks of all blocks beforehand; 1.0.0 makes each when its block runs.
_MASKS_MADE_AT_ONCE = "num_blocks" in inspect.signature(BatchedPerturbationConfig).parameters


def load(request: Load) -> nn.Module:
    """Give the live X0Model; BadInputError where the file leaves a parameter without weights."""
    checkpoint = request.files["checkpoint"]
    builder = SingleGPUModelBuilder(
        model_class_configurator=LTXModelConfigurator,
        model_path=str(checkpoint),
        model_sd_ops=LTXV_MODEL_COMFY_RENAMING_MAP,
    )
    return whole(X0Model(builder.build(device=request.device, dtype=request.dtype)), checkpoint)


def call(model: nn.Module, forward: ForwardPass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model(_modality(forward.video), _modality(forward.audio), _perturbations(model, forward))


def _modality(stream: StreamInput | None) -> Modality | None:
    if stream is None:
        return None
    return Modality(
        latent=stream.latent,
        sigma=stream.sigma,
        timesteps=stream.timesteps,
        positions=stream.positions,
        context=stream.context,
        enabled=stream.enabled,
        context_mask=stream.context_mask,
        attention_mask=stream.attention_mask,
    )


def _perturbations(model: nn.Module, forward: ForwardPass) -> BatchedPerturbationConfig:
    samples = [_perturbation(sample) for sample in forward.skips]
    if not _MASKS_MADE_AT_ONCE:
        return BatchedPerturbationConfig(samples)
    like = next(stream.latent for stream in (forward.video, forward.audio) if stream is not None)
    return BatchedPerturbationConfig(samples, num_blocks=model.num_blocks, device=like.device, dtype=like.dtype)


def _perturbation(skips: SampleSkips) -> PerturbationConfig:
    return PerturbationConfig(
        [Perturbation(_TYPES[skipped], None if blocks is None else sorted(blocks)) for skipped, blocks in skips.items()]
    )
