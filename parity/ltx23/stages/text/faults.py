"""Faults of the text stage: each function plants one in a loaded port, and its docstring says what is then wrong."""

import math
from collections.abc import Callable, Sequence
from types import MethodType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ltx_port.text.connector import REGISTERS, FrontTokens, FullAttention, RegisterFill, TokenPositions, TokensToFront
from ltx_port.text.features import NormedLayers, Rescale
from ltx_port.text.gemma import GemmaStates
from ltx_port.text.tokenizer import PromptTokenizer, PromptTokens
from ltx_port.transformer.modulation import TokenNorm
from parity.ltx23.fault import Faults

AnyModule = TypeVar("AnyModule", bound=nn.Module)
FAULTS = Faults("text", case="text-small", forward="pass_hidden")
_PROMPT = {"case": "text-prompts", "forward": "pass_prompt"}


def _every(model: nn.Module, kind: type[AnyModule]) -> list[AnyModule]:
    found = [module for module in model.modules() if isinstance(module, kind)]
    assert found, f"the port has no {kind.__name__} left to plant a fault in"
    return found


def _forward(modules: list[AnyModule], replacement: Callable[..., Any]) -> None:
    for module in modules:
        # On the instance, so that only this model is changed.
        module.forward = MethodType(replacement, module)


@FAULTS.planted(
    "T6",
    first_tap="tokens.ids",
    hint="shift: delayed by 14 samples; axis 1 | shift: advanced by 114 samples; axis 1",
    **_PROMPT,
)
def right_padding(model: nn.Module) -> None:
    """Prompts padded behind, not in front."""
    exact = PromptTokenizer.forward

    def forward(self: PromptTokenizer, prompts: Sequence[str], device: torch.device) -> PromptTokens:
        ids, mask = exact(self, prompts, device)
        behind = torch.argsort(mask, dim=-1, descending=True, stable=True)
        return PromptTokens(ids.gather(1, behind), mask.gather(1, behind))

    _forward(_every(model, PromptTokenizer), forward)


@FAULTS.planted("T8", first_tap="video.filled", hint="reversal: axis 1")
def reversed_text(model: nn.Module) -> None:
    """Text reversed when it is moved in front of its padding."""

    def forward(_: TokensToFront, features: Tensor, mask: Tensor) -> FrontTokens:
        # The whole row turned around: its padding is behind then, and its text backwards.
        return FrontTokens(features.flip(1), mask.flip(1))

    _forward(_every(model, TokensToFront), forward)


@FAULTS.planted("ZT1", first_tap="tokens.ids", **_PROMPT)
def unstripped_prompt(model: nn.Module) -> None:
    """Blanks around the prompt kept."""
    exact = PromptTokenizer.forward

    class Kept(str):
        def strip(self, _: Any = None) -> str:
            return str(self)

    def forward(self: PromptTokenizer, prompts: Sequence[str], device: torch.device) -> PromptTokens:
        return exact(self, [Kept(prompt) for prompt in prompts], device)

    _forward(_every(model, PromptTokenizer), forward)


@FAULTS.planted("ZT2", first_tap="features.stacked", hint="tensor: gemma.layer02.out", **_PROMPT)
def last_state_unnormed(model: nn.Module) -> None:
    """Last hidden state taken before Gemma's final norm."""
    exact = GemmaStates.forward

    def forward(self: GemmaStates, ids: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        kept: list[Tensor] = []
        hook = self.model.norm.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
        states = exact(self, ids, mask)
        hook.remove()
        return (*states[:-1], kept[0])

    _forward(_every(model, GemmaStates), forward)


@FAULTS.planted("ZT3", first_tap="features.normed", hint="layout: axis 2")
def layer_major(model: nn.Module) -> None:
    """Hidden states flattened layer by layer, not channel by channel."""
    exact = NormedLayers.forward

    def forward(self: NormedLayers, stacked: Tensor, mask: Tensor) -> Tensor:
        layers = stacked.shape[-1]
        return exact(self, stacked, mask).unflatten(-1, (-1, layers)).transpose(-1, -2).flatten(2)

    _forward(_every(model, NormedLayers), forward)


@FAULTS.planted("ZT4", first_tap="features.normed", hint="mask")
def padding_kept(model: nn.Module) -> None:
    """Features of the padding not silenced."""
    exact = NormedLayers.forward

    def forward(self: NormedLayers, stacked: Tensor, mask: Tensor) -> Tensor:
        return exact(self, stacked, torch.ones_like(mask))

    _forward(_every(model, NormedLayers), forward)


@FAULTS.planted("ZT5", first_tap="features.audio.scaled", hint="factor: 1.41421")
def video_width_for_audio(model: nn.Module) -> None:
    """Audio features scaled for the width of the video stream."""
    video, audio = _every(model, Rescale)
    audio.dim = video.dim


@FAULTS.planted("ZT6", first_tap="features.video.scaled", hint="factor: 0.816497")
def unscaled_features(model: nn.Module) -> None:
    """Features scaled by the ratio of the widths, not by its square root."""

    def forward(self: Rescale, x: Tensor, hidden: int) -> Tensor:
        return x * math.sqrt(self.dim / hidden) ** 2

    _forward(_every(model, Rescale), forward)


@FAULTS.planted("ZT7", first_tap="video.filled", hint="shift: delayed by 37 samples; axis 1")
def registers_from_the_first(model: nn.Module) -> None:
    """Registers counted from the end of the text, not from position 0."""
    exact = RegisterFill.forward

    def forward(self: RegisterFill, tokens: Tensor, mask: Tensor) -> Tensor:
        text = int(mask.sum())
        registers = self.registers.repeat(tokens.shape[1] // REGISTERS, 1).roll(text, dims=0)
        return torch.where(mask.bool().unsqueeze(-1), exact(self, tokens, mask), registers)

    _forward(_every(model, RegisterFill), forward)


@FAULTS.planted(
    "ZT8", first_tap="video.rope.fraction", hint="offset: plus; 0.000244141 | shift: advanced by 1 sample; axis 1"
)
def positions_from_one(model: nn.Module) -> None:
    """Positions of the text counted from 1."""
    exact = TokenPositions.forward

    def forward(self: TokenPositions, x: Tensor) -> Tensor:
        return exact(self, x) + 1

    _forward(_every(model, TokenPositions), forward)


@FAULTS.planted("ZT9", first_tap="block00.video.bias", hint="mask")
def registers_masked(model: nn.Module) -> None:
    """Padding masked, where its registers are attended to like words."""
    exact = FullAttention.forward

    def forward(self: FullAttention, x: Tensor) -> Tensor:
        bias = exact(self, x)
        bias[..., x.shape[1] // 2 :] = torch.finfo(x.dtype).min
        return bias

    _forward(_every(model, FullAttention), forward)


@FAULTS.planted("ZT10", first_tap="video.norm", hint="tensor: block01.video.ff.residual")
def no_last_norm(model: nn.Module) -> None:
    """No norm behind the last block of a connector."""
    for stream in ("video", "audio"):
        norm = model.get_submodule(f"embeddings.{stream}.norm")
        assert isinstance(norm, TokenNorm)
        _forward([norm], lambda _, x: x)


@FAULTS.planted("ZT11", first_tap="block00.audio.attn.v", hint="tensor: block00.audio.attn.k")
def keys_for_values(model: nn.Module) -> None:
    """Key and value projections of the audio connector swapped."""
    attn = model.get_submodule("embeddings.audio.blocks.0.attn")
    keys, values = attn.get_submodule("to_k"), attn.get_submodule("to_v")
    attn.to_k, attn.to_v = values, keys


FAULTS.configured(
    "ZT12",
    "Length of the text's positions is the code's, not the file's",
    first_tap="config.video.max_pos",
    hint="constant: 4096",
    config={"transformer.connector_positional_embedding_max_pos": [4096]},
    case="text-odd-config",
)
