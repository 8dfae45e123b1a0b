"""The official transformer, built by the official loader from a checkpoint file and called as its pipelines do."""

import inspect

import torch
from ltx_core.guidance.perturbations import (
    BatchedPerturbationConfig,
    Perturbation,
    PerturbationConfig,
    PerturbationType,
)
from ltx_core.loader import SingleGPUModelBuilder
from ltx_core.loader.primitives import StateDict
from ltx_core.loader.sd_ops import SDOps
from ltx_core.loader.sft_loader import SafetensorsModelStateDictLoader, SafetensorsStateDictLoader
from ltx_core.model.transformer.modality import Modality
from ltx_core.model.transformer.model import X0Model
from ltx_core.model.transformer.model_configurator import LTXV_MODEL_COMFY_RENAMING_MAP, LTXModelConfigurator
from torch import nn

from parity.ltx23.stages.transformer.passes import ForwardPass, SampleSkips, Skipped, StreamInput
from parity.ltx23.terms import Load, Weights
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
    checkpoint, weights = request.files["checkpoint"], request.weights
    builder = SingleGPUModelBuilder(
        model_class_configurator=LTXModelConfigurator,
        model_path=str(checkpoint),
        model_sd_ops=LTXV_MODEL_COMFY_RENAMING_MAP,
        model_loader=SafetensorsModelStateDictLoader(None if weights is None else _Made(weights, request.dtype)),
    )
    return whole(X0Model(builder.build(device=request.device, dtype=request.dtype)), checkpoint)


class _Made(SafetensorsStateDictLoader):  # type: ignore[misc]
    """Gives the official builder weights that are in no file, under the names that it asks for.

    They are rounded to the file's dtype and then to `dtype`, which is what the builder casts to: it gets them as they
    are to be, and makes no copy.
    """

    def __init__(self, weights: Weights, dtype: torch.dtype):
        self._weights, self._dtype = weights, dtype

    def load(self, path: str | list[str], sd_ops: SDOps, device: torch.device | None = None) -> StateDict:
        """Give every tensor that the builder's renaming wants."""
        found: dict[str, torch.Tensor] = {}
        for key in self._weights.keys():  # noqa: SIM118  (not a mapping)
            name = sd_ops.apply_to_key(key)
            if name is not None:
                value = self._weights.read(key, device or "cpu", self._dtype)
                found |= {pair.new_key: pair.new_value for pair in sd_ops.apply_to_key_value(name, value)}
        size = sum(tensor.nbytes for tensor in found.values())
        return StateDict(found, device or torch.device("cpu"), size, {tensor.dtype for tensor in found.values()})


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
