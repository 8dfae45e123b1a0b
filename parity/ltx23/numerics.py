"""Numerics: other ways to compute a generation than float32, each in a row of data and a line of code.

A forecast measures them component by component; `ltx-parity trajectory` runs them beside the truth.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ltx_port.audio_vae.decoder import AudioDecoder
from ltx_port.release import Release
from ltx_port.transformer import DenoisedPrediction
from ltx_port.transformer.attention import AttentionBackend, AttentionKernel, kernels_for
from ltx_port.transformer.block import Block
from ltx_port.transformer.feed_forward import FeedForward
from ltx_port.transformer.rope import FrequencyGrid
from ltx_port.video_vae import VideoDecoder
from ltx_port.vocoder import SoundDecoder
from parity.errors import BadInputError


class Parts(nn.Module):
    """The port's modules that a generation from embedded text runs, loaded."""

    def __init__(
        self, model: DenoisedPrediction, video: VideoDecoder, audio: AudioDecoder, sound: SoundDecoder, release: Release
    ):
        super().__init__()
        self.model, self.video, self.audio, self.sound = model, video, audio, sound
        self.release = release


Plant = Callable[[Parts], None]


def _as_it_is(_parts: Parts) -> None:
    """Change nothing: the precision is all there is to it."""


@dataclass(frozen=True)
class Variant:
    """Numerics: the working precision that the parts are loaded in, and what is then changed in them."""

    id: str
    says: str
    dtype: torch.dtype = torch.float32
    plant: Plant = _as_it_is


def rounded_output(kind: type[nn.Module], dtype: torch.dtype) -> Plant:
    """Round what every module of a kind gives to a narrower dtype and back."""

    def hook(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return output.to(dtype).to(output.dtype)

    def plant(parts: Parts) -> None:
        for module in _every(parts, kind):
            module.register_forward_hook(hook)

    return plant


def rounded_weights(kind: type[nn.Module], dtype: torch.dtype) -> Plant:
    """Round the matrices inside every module of a kind to a narrow dtype and back.

    Each matrix has one scale, so that its largest weight is the dtype's largest number: weights stored in 8 bits.
    """

    def plant(parts: Parts) -> None:
        layers = {layer for module in _every(parts, kind) for layer in module.modules() if isinstance(layer, nn.Linear)}
        for layer in layers:
            weight = layer.weight.data
            scale = weight.abs().max().float() / torch.finfo(dtype).max
            layer.weight.data = ((weight.float() / scale).to(dtype).float() * scale).to(weight.dtype)

    return plant


def attention_kernel(backend: AttentionBackend) -> Plant:
    """Attend with another kernel."""

    def plant(parts: Parts) -> None:
        for module in _every(parts, AttentionKernel):
            assert isinstance(module, AttentionKernel)
            module.kernels = kernels_for(backend, parts.release)

    return plant


def _every(parts: Parts, kind: type[nn.Module]) -> list[nn.Module]:
    found = [module for module in parts.modules() if isinstance(module, kind)]
    assert found, f"the port has no {kind.__name__}"
    return found


TRUTH = "float32"
_BF16, _FP8 = torch.bfloat16, torch.float8_e4m3fn
VARIANTS = {
    variant.id: variant
    for variant in (
        Variant(TRUTH, "weights and arithmetic in float32: the truth"),
        Variant("bf16", "weights and arithmetic in bfloat16, as the model is run", _BF16),
        Variant("rope-grid-bf16", "RoPE frequencies rounded to bfloat16", plant=rounded_output(FrequencyGrid, _BF16)),
        Variant("ff-fp8", "feed-forward weights rounded to float8 e4m3", plant=rounded_weights(FeedForward, _FP8)),
        Variant("blocks-fp8", "all matrices of the blocks rounded to e4m3", plant=rounded_weights(Block, _FP8)),
        Variant("bf16-ff-fp8", "bfloat16 with feed-forward weights in e4m3", _BF16, rounded_weights(FeedForward, _FP8)),
        Variant("attention-math", "attention without a fused kernel", plant=attention_kernel(AttentionBackend.MATH)),
    )
}


def numerics_named(name: str) -> Variant:
    """Give numerics by name; BadInputError for others."""
    if name not in VARIANTS:
        raise BadInputError(f"numerics {name!r}", "unknown", f"one of {', '.join(VARIANTS)}", "choose one")
    return VARIANTS[name]
