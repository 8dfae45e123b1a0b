"""Known faults, each planted in an otherwise correct port: what the harness must catch, and where it must point.

The identifiers follow the list of faults that real ports of this model shipped; those with a Z are our own.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MethodType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ltx_port.transformer import DenoisedPrediction
from ltx_port.transformer.adaln import SinusoidalTimestep
from ltx_port.transformer.attention import AttentionKernel, HeadGate
from ltx_port.transformer.av_cross import AudioVideoCross, CrossDirection
from ltx_port.transformer.block import Block, FeedForwardLayer, TextCrossLayer
from ltx_port.transformer.inputs import ModalityInput
from ltx_port.transformer.masks import SelfAttentionBias
from ltx_port.transformer.modulation import AVCrossModulation, GatedResidual, TokenNorm
from ltx_port.transformer.rope import FractionalPositions, FrequencyGrid, RotaryEmbedding, RotaryTable, Rotate
from ltx_port.transformer.stream import Stream

AnyModule = TypeVar("AnyModule", bound=nn.Module)


@dataclass(frozen=True)
class Fault:
    """One fault: what is wrong, the tap (a part of its name) that must be the first over budget, how it is planted.

    `config` replaces keys of the configuration that the port reads; `plant` changes the loaded port; `case` is
    a case that shows it.
    """

    id: str
    wrong: str
    first_tap: str
    case: str = "small"
    plant: Callable[[DenoisedPrediction], None] = field(default=lambda _: None)
    config: Mapping[str, Any] = field(default_factory=dict)


def _every(model: nn.Module, kind: type[AnyModule]) -> list[AnyModule]:
    found = [module for module in model.modules() if isinstance(module, kind)]
    assert found, f"the port has no {kind.__name__} left to plant a fault in"
    return found


def _forward(modules: list[AnyModule], replacement: Callable[..., Any]) -> None:
    for module in modules:
        # On the instance, so that only this model is changed.
        module.forward = MethodType(replacement, module)


def _float32_grid(model: DenoisedPrediction) -> None:
    def forward(self: FrequencyGrid, device: torch.device) -> Tensor:
        exponents = torch.linspace(0.0, 1.0, self.count, dtype=torch.float32, device=device)
        return self.theta**exponents * math.pi / 2

    _forward(_every(model, FrequencyGrid), forward)


def _interleaved_rotation(model: DenoisedPrediction) -> None:
    def forward(self: Rotate, x: Tensor, table: RotaryTable) -> Tensor:
        cos, sin = (part.transpose(1, 2) for part in table)
        pairs = x.unflatten(-1, (cos.shape[2], -1, 2))
        first, second = pairs[..., 0], pairs[..., 1]
        return torch.stack([first * cos - second * sin, second * cos + first * sin], dim=-1).flatten(2)

    _forward(_every(model, Rotate), forward)


def _other_position_dtype(model: DenoisedPrediction) -> None:
    exact = FractionalPositions.forward

    def forward(self: FractionalPositions, positions: Tensor) -> Tensor:
        # bfloat16 where the release computes in float32, float32 where it computes in bfloat16.
        other = torch.float32 if positions.dtype is torch.bfloat16 else torch.bfloat16
        return exact(self, positions.to(other)).to(positions.dtype)

    _forward(_every(model, FractionalPositions), forward)


def _single_sigmoid(model: DenoisedPrediction) -> None:
    def forward(self: HeadGate, x: Tensor, logits: Tensor) -> Tensor:
        return (x.unflatten(-1, (logits.shape[-1], -1)) * torch.sigmoid(logits).unsqueeze(-1)).flatten(2)

    _forward(_every(model, HeadGate), forward)


def _mask_as_bias_of_one(model: DenoisedPrediction) -> None:
    def forward(self: SelfAttentionBias, mask: Tensor, dtype: torch.dtype) -> Tensor:
        return (mask > 0).to(dtype).unsqueeze(1)

    _forward(_every(model, SelfAttentionBias), forward)


def _context_mask_invented(model: DenoisedPrediction) -> None:
    exact = AttentionKernel.forward

    def forward(self: AttentionKernel, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        assert bias is None, "planted where the reference masks nothing"
        bias = query.new_zeros(key.shape[0], 1, 1, key.shape[1])
        bias[..., : key.shape[1] // 3] = torch.finfo(query.dtype).min
        return exact(self, query, key, value, bias)

    _forward([layer.attn.kernel for layer in _every(model, TextCrossLayer)], forward)


def _swapped_scale_and_shift(model: DenoisedPrediction) -> None:
    for rows in _every(model, AVCrossModulation):
        for direction in (rows.audio_to_video, rows.video_to_audio):
            exact = direction.forward

            def forward(_: nn.Module, table: Tensor, embedding: Tensor, exact: Any = exact) -> tuple[Tensor, ...]:
                return tuple(reversed(exact(table, embedding)))

            _forward([direction], forward)


def _unscaled_timestep(model: DenoisedPrediction) -> None:
    for stream in _every(model, Stream):
        stream.timestep_scale.multiplier = 1.0


def _own_sigma(model: DenoisedPrediction) -> None:
    exact = Stream.forward

    def forward(self: Stream, modality: ModalityInput, other_sigma: Tensor | None) -> Any:
        return exact(self, modality, None if other_sigma is None else modality.sigma)

    _forward(_every(model, Stream), forward)


def _wrong_direction_rows(model: DenoisedPrediction) -> None:
    for rows in _every(model, AVCrossModulation):
        rows.audio_to_video.first = rows.video_to_audio.first


def _swapped_blocks(model: DenoisedPrediction) -> None:
    first, second, *_ = _every(model, Block)
    weights = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    first.load_state_dict(second.state_dict())
    second.load_state_dict(weights)


def _sine_first(model: DenoisedPrediction) -> None:
    exact = SinusoidalTimestep.forward

    def forward(self: SinusoidalTimestep, timestep: Tensor) -> Tensor:
        return exact(self, timestep).roll(128, dims=-1)

    _forward(_every(model, SinusoidalTimestep), forward)


def _padding_behind(model: DenoisedPrediction) -> None:
    def per_head(self: RotaryEmbedding, table: Tensor) -> Tensor:
        missing = self.pairs % (2 * len(self.fraction.max_pos))
        return table.roll(-missing, dims=-1).unflatten(-1, (self.heads, -1)).transpose(1, 2)

    for rope in _every(model, RotaryEmbedding):
        rope._per_head = MethodType(per_head, rope)  # type: ignore[method-assign]


def _query_table_for_keys(model: DenoisedPrediction) -> None:
    def forward(self: Rotate, x: Tensor, table: RotaryTable) -> Tensor:
        return Rotate.forward(self, x, RotaryTable(cos=table.cos.flip(2), sin=table.sin.flip(2)))

    _forward([direction.attn.rotate_k for direction in _every(model, CrossDirection)], forward)


def _sequential_exchange(model: DenoisedPrediction) -> None:
    for exchange in _every(model, AudioVideoCross):
        changed: list[Tensor] = []

        def keep(_: nn.Module, _args: Any, output: Tensor, changed: list[Tensor] = changed) -> None:
            changed[:] = [output]

        def norm_again(
            _: nn.Module, args: tuple[Any, ...], norm: TokenNorm = exchange.video_norm, changed: list[Tensor] = changed
        ) -> tuple[Any, ...]:
            x, receiver, source, gate, skips = args
            # Past the hooks, so that the norm is not seen twice.
            return x, receiver, replace(source, normed=norm.forward(changed[0])), gate, skips

        exchange.audio_to_video.register_forward_hook(keep)
        exchange.video_to_audio.register_forward_pre_hook(norm_again)


def _ungated(model: DenoisedPrediction) -> None:
    exact = GatedResidual.forward

    def forward(
        self: GatedResidual, x: Tensor, update: Tensor, gate: Tensor, keep_mask: Tensor | None = None
    ) -> Tensor:
        return exact(self, x, update, torch.ones_like(gate), keep_mask)

    _forward([layer.residual for layer in _every(model, FeedForwardLayer)], forward)


def _first_sample_for_all(model: DenoisedPrediction) -> None:
    exact = SelfAttentionBias.forward

    def forward(self: SelfAttentionBias, mask: Tensor, dtype: torch.dtype) -> Tensor:
        return exact(self, mask, dtype)[:1].expand(mask.shape[0], -1, -1, -1)

    _forward(_every(model, SelfAttentionBias), forward)


_FAULTS = (
    Fault("R1", "RoPE frequencies raised in float32, not float64", "video.self_rope.grid", plant=_float32_grid),
    Fault(
        "R2", "RoPE pairs interleaved, not split in halves", "block00.video.self_attn.q_rope", plant=_interleaved_rotation
    ),
    Fault(
        "R5", "positions in another dtype than the release's", "video.self_rope.fraction", plant=_other_position_dtype
    ),
    Fault("A1", "head gate is sigmoid, not 2 * sigmoid", "block00.video.self_attn.gated", plant=_single_sigmoid),
    Fault("A4", "self-attention mask added as a bias of one", "video.self_bias", plant=_mask_as_bias_of_one),
    Fault(
        "A6", "text masked where the reference masks nothing", "block00.video.text_cross.attended",
        plant=_context_mask_invented,
    ),
    Fault("D1", "AV tables read as shift, scale", "block00.video.a2v.query_scale", plant=_swapped_scale_and_shift),
    Fault("D4", "timestep not multiplied by 1000", "video.timestep_adaln.timestep", plant=_unscaled_timestep),
    Fault(
        "X1", "AV gate's timestep multiplier defaults to 1, ignoring the checkpoint", "config.video.av_gate_multiplier",
        config={"av_ca_timestep_scale_multiplier": 1.0},
    ),
    Fault(
        "X2", "AV cross-attention conditioned on the stream's own sigma", "video.av_scale_shift_adaln.timestep",
        plant=_own_sigma,
    ),
    Fault(
        "P4", "audio-to-video reads the rows of video-to-audio", "block00.video.a2v.query_scale",
        plant=_wrong_direction_rows,
    ),
    Fault("P28", "weights of blocks 0 and 1 swapped", "block00.video.self_attn.shift", plant=_swapped_blocks),
    Fault(
        "L7", "norm epsilon taken from a code default, not from the checkpoint", "config.video.eps",
        case="odd-config", config={"norm_eps": 1e-6},
    ),
    Fault(
        "Z1", "RoPE theta taken from a code default, not from the checkpoint", "config.video.rope_theta",
        case="odd-config", config={"positional_embedding_theta": 10000.0},
    ),
    Fault("Z2", "timestep sinusoid with sines before cosines", "video.timestep_adaln.sinusoid", plant=_sine_first),
    Fault("Z3", "RoPE padding behind the frequencies, not in front", "video.self_rope.cos", plant=_padding_behind),
    Fault(
        "Z4", "AV keys rotated with the time axis reversed", "block00.video.a2v.k_rope", plant=_query_table_for_keys
    ),
    Fault(
        "Z5", "video-to-audio sees the video after audio-to-video", "block00.audio.v2a.context",
        plant=_sequential_exchange,
    ),
    Fault("Z6", "feed-forward added without its gate", "block00.video.feed_forward.residual", plant=_ungated),
    Fault(
        "Z7", "every sample gets the first sample's self-attention mask", "video.self_bias", case="guided-b2",
        plant=_first_sample_for_all,
    ),
)  # fmt: skip
FAULTS: Mapping[str, Fault] = {fault.id: fault for fault in _FAULTS}
