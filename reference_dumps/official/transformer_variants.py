"""The newest release's own faster forms of its transformer, to be timed beside its eager form.

For timings alone: nothing is compared with them. They change the model that they are given.
"""

from typing import Any

import torch
from ltx_core.model.transformer.compiling import CompilationConfig, compile_transformer
from ltx_core.quantization.fp8_scaled_mm import FP8Linear, quantize_weight_to_fp8_per_tensor
from torch import nn

_BLOCKS = "transformer_blocks."
# Synthetic activations stay well within it: what the scale is does not change how long a product takes.
_INPUT_SCALE = 1.0 / 16


def compiled(model: nn.Module) -> nn.Module:
    """Compile each block and capture the loop over blocks in one CUDA graph, as its pipelines do when asked to."""
    model.velocity_model = compile_transformer(_inner(model), CompilationConfig(capture=True))
    return model


def fp8(model: nn.Module) -> nn.Module:
    """Make the linear layers of the blocks its float8 ones, with scales for a tensor as a whole."""
    inner = _inner(model)
    for name, layer in list(inner.named_modules()):
        # A product of float8 takes widths that are multiples of 16.
        if isinstance(layer, nn.Linear) and name.startswith(_BLOCKS) and layer.out_features % 16 == 0:
            parent, _, last = name.rpartition(".")
            setattr(inner.get_submodule(parent), last, _float8(layer))
    return model


def _float8(layer: nn.Linear) -> FP8Linear:
    made = FP8Linear(layer.in_features, layer.out_features, layer.bias is not None, layer.weight.device)
    weight, scale = quantize_weight_to_fp8_per_tensor(layer.weight)
    made.weight = nn.Parameter(weight, requires_grad=False)
    made.weight_scale = nn.Parameter(scale, requires_grad=False)
    made.input_scale = nn.Parameter(torch.tensor(_INPUT_SCALE, device=weight.device), requires_grad=False)
    if layer.bias is not None:
        made.bias = nn.Parameter(layer.bias, requires_grad=False)
    return made.eval()


def _inner(model: nn.Module) -> Any:
    return model.velocity_model
