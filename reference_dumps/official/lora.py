"""The official LoRA fusion: by the official builder, and once more layer by layer, to be watched."""

from dataclasses import dataclass

import torch
from ltx_core.loader import SingleGPUModelBuilder
from ltx_core.loader.fuse_loras import apply_loras
from ltx_core.loader.primitives import LoraPathStrengthAndSDOps, LoraStateDictWithStrength, StateDict
from ltx_core.loader.sd_ops import LTXV_LORA_COMFY_RENAMING_MAP
from ltx_core.loader.sft_loader import SafetensorsModelStateDictLoader
from ltx_core.model.transformer.model_configurator import LTXV_MODEL_COMFY_RENAMING_MAP, LTXModelConfigurator
from torch import Tensor, nn

from parity.ltx23.stages.lora.passes import ADAPTERS, FusePass, file_name, fused_layers
from parity.ltx23.terms import Load
from reference_dumps.official.whole import whole


@dataclass(frozen=True)
class Loaded:
    """The fused transformer: not a module of the stage, which looks at its weights and does not run it."""

    transformer: nn.Module


class FusedLayer(nn.Module):
    """A module for `apply_loras` to be called by, with a checkpoint of one weight."""

    def __init__(self, key: str, loras: list[LoraStateDictWithStrength], request: Load):
        super().__init__()
        self._key, self._loras, self._request = key, loras, request

    def forward(self, weight: Tensor) -> Tensor:
        """Give the official function's result."""
        alone = StateDict({self._key: weight}, weight.device, weight.nbytes, {weight.dtype})
        # 1.2.0 fuses in the checkpoint's dtype, and casts afterwards.
        working = {"dtype": self._request.dtype} if self._request.release == "1.0.0" else {}
        return apply_loras(alone, self._loras, **working).sd[self._key]


class Fusing(nn.Module):
    """Every changed layer by itself, and the transformer that the official builder makes."""

    def __init__(self, request: Load):
        super().__init__()
        loader, adapters = SafetensorsModelStateDictLoader(), request.options[ADAPTERS]
        checkpoint = str(request.files["checkpoint"])
        base = loader.load(checkpoint, LTXV_MODEL_COMFY_RENAMING_MAP, request.device).sd
        loras = [
            LoraStateDictWithStrength(loader.load(given.path, given.sd_ops, torch.device("cpu")), given.strength)
            for given in _given(request)
        ]
        keys = [f"{layer}.weight" for layer in fused_layers(adapters)]
        self.layers = nn.ModuleList(FusedLayer(key, loras, request) for key in keys)
        self._weights = [base[key] for key in keys]
        self.loaded = Loaded(whole(_built(request), request.files["checkpoint"]))

    def forward(self) -> None:
        """Fuse each layer."""
        for layer, weight in zip(self.layers, self._weights, strict=True):
            layer(weight)


def _given(request: Load) -> tuple[LoraPathStrengthAndSDOps, ...]:
    return tuple(
        LoraPathStrengthAndSDOps(str(request.files[file_name(number)]), adapter.strength, LTXV_LORA_COMFY_RENAMING_MAP)
        for number, adapter in enumerate(request.options[ADAPTERS])
    )


def _built(request: Load) -> nn.Module:
    more = {}
    if request.release == "1.0.0" and request.dtype is not torch.bfloat16:
        from ltx_core.loader.registry import StateDictRegistry

        # Without one, 1.0.0 leaves weights that no LoRA changes in the checkpoint's dtype: a model of two dtypes.
        more["registry"] = StateDictRegistry()
    builder = SingleGPUModelBuilder(
        model_class_configurator=LTXModelConfigurator,
        model_path=str(request.files["checkpoint"]),
        model_sd_ops=LTXV_MODEL_COMFY_RENAMING_MAP,
        loras=_given(request),
        **more,
    )
    return builder.build(device=request.device, dtype=request.dtype)


def load(request: Load) -> nn.Module:
    """Give the live fusion; BadInputError where a file leaves a parameter without weights."""
    return Fusing(request).eval()


def call(model: nn.Module, _: FusePass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model()
