"""Faults of the transformer: each function plants one in a loaded port, and its docstring says what is then wrong."""

import math
from collections.abc import Callable
from dataclasses import replace
from types import MethodType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ltx_port.transformer import DenoisedPrediction
from ltx_port.transformer.adaln import SinusoidalTimestep, TimestepScale
from ltx_port.transformer.attention import AttentionKernel, HeadGate
from ltx_port.transformer.av_cross import AudioVideoCross, CrossDirection
from ltx_port.transformer.block import Block, FeedForwardLayer, TextCrossLayer
from ltx_port.transformer.inputs import ModalityInput
from ltx_port.transformer.masks import SelfAttentionBias
from ltx_port.transformer.modulation import AVCrossModulation, GatedResidual, TokenNorm
from ltx_port.transformer.rope import FractionalPositions, FrequencyGrid, RotaryEmbedding, RotaryTable, Rotate
from ltx_port.transformer.stream import Stream
from parity.ltx23.fault import Faults

AnyModule = TypeVar("AnyModule", bound=nn.Module)
FAULTS = Faults("transformer", case="small", forward="pass_cond")


def _every(model: nn.Module, kind: type[AnyModule]) -> list[AnyModule]:
    found = [module for module in model.modules() if isinstance(module, kind)]
    assert found, f"the port has no {kind.__name__} left to plant a fault in"
    return found


def _forward(modules: list[AnyModule], replacement: Callable[..., Any]) -> None:
    for module in modules:
        # On the instance, so that only this model is changed.
        module.forward = MethodType(replacement, module)


@FAULTS.planted("R1", first_tap="video.self_rope.grid", hint="rounding")
def float32_grid(model: DenoisedPrediction) -> None:
    """RoPE frequencies raised in float32, not float64."""

    def forward(self: FrequencyGrid, device: torch.device) -> Tensor:
        exponents = torch.linspace(0.0, 1.0, self.count, dtype=torch.float32, device=device)
        return self.theta**exponents * math.pi / 2

    _forward(_every(model, FrequencyGrid), forward)


@FAULTS.planted(
    "R2",
    first_tap="block00.video.self_attn.q_rope",
    hint="layout: q_norm; rotated in neighbouring channels; channels 8 apart",
)
def interleaved_rotation(model: DenoisedPrediction) -> None:
    """RoPE pairs interleaved, not halved."""

    def forward(self: Rotate, x: Tensor, table: RotaryTable) -> Tensor:
        cos, sin = (part.transpose(1, 2) for part in table)
        pairs = x.unflatten(-1, (cos.shape[2], -1, 2))
        first, second = pairs[..., 0], pairs[..., 1]
        return torch.stack([first * cos - second * sin, second * cos + first * sin], dim=-1).flatten(2)

    _forward(_every(model, Rotate), forward)


@FAULTS.planted("R5", first_tap="video.self_rope.fraction", hint="rounding", case="guided-b1")
def other_position_dtype(model: DenoisedPrediction) -> None:
    """Positions in another dtype than the release's."""
    exact = FractionalPositions.forward

    def forward(self: FractionalPositions, positions: Tensor) -> Tensor:
        # bfloat16 where the release computes in float32, float32 where it computes in bfloat16.
        other = torch.float32 if positions.dtype is torch.bfloat16 else torch.bfloat16
        return exact(self, positions.to(other)).to(positions.dtype)

    _forward(_every(model, FractionalPositions), forward)


@FAULTS.planted("A1", first_tap="block00.video.self_attn.gated", hint="factor: 0.5")
def single_sigmoid(model: DenoisedPrediction) -> None:
    """Head gate is sigmoid, not 2 * sigmoid."""

    def forward(self: HeadGate, x: Tensor, logits: Tensor) -> Tensor:
        return (x.unflatten(-1, (logits.shape[-1], -1)) * torch.sigmoid(logits).unsqueeze(-1)).flatten(2)

    _forward(_every(model, HeadGate), forward)


@FAULTS.planted("A4", first_tap="video.self_bias", hint="mask")
def mask_as_bias_of_one(model: DenoisedPrediction) -> None:
    """Self-attention mask added as a bias of one."""

    def forward(self: SelfAttentionBias, mask: Tensor, dtype: torch.dtype) -> Tensor:
        return (mask > 0).to(dtype).unsqueeze(1)

    _forward(_every(model, SelfAttentionBias), forward)


@FAULTS.planted("A6", first_tap="block00.video.text_cross.attended")
def context_mask_invented(model: DenoisedPrediction) -> None:
    """Text masked where the reference masks nothing."""
    exact = AttentionKernel.forward

    def forward(self: AttentionKernel, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
        assert bias is None, "planted where the reference masks nothing"
        bias = query.new_zeros(key.shape[0], 1, 1, key.shape[1])
        bias[..., : key.shape[1] // 3] = torch.finfo(query.dtype).min
        return exact(self, query, key, value, bias)

    _forward([layer.attn.kernel for layer in _every(model, TextCrossLayer)], forward)


@FAULTS.planted("D1", first_tap="block00.video.a2v.query_scale", hint="tensor: video.a2v.query_shift")
def swapped_scale_and_shift(model: DenoisedPrediction) -> None:
    """AV tables read as shift, scale."""
    for rows in _every(model, AVCrossModulation):
        for direction in (rows.audio_to_video, rows.video_to_audio):
            exact = direction.forward

            def forward(_: nn.Module, table: Tensor, embedding: Tensor, exact: Any = exact) -> tuple[Tensor, ...]:
                return tuple(reversed(exact(table, embedding)))

            _forward([direction], forward)


@FAULTS.planted("D4", first_tap="video.timestep_adaln.timestep", hint="factor: 0.001")
def unscaled_timestep(model: DenoisedPrediction) -> None:
    """Timestep not multiplied by 1000."""
    for stream in _every(model, Stream):
        stream.timestep_scale.multiplier = 1.0


@FAULTS.planted(
    "X2",
    first_tap="video.av_scale_shift_adaln.timestep",
    hint="tensor: video.prompt_adaln.timestep | tensor: audio.av_scale_shift_adaln.timestep | "
    "tensor: audio.av_gate_adaln.timestep",
)
def own_sigma(model: DenoisedPrediction) -> None:
    """AV cross-attention conditioned on the stream's own sigma."""
    exact = Stream.forward

    def forward(self: Stream, modality: ModalityInput, other_sigma: Tensor | None) -> Any:
        return exact(self, modality, None if other_sigma is None else modality.sigma)

    _forward(_every(model, Stream), forward)


@FAULTS.planted("P4", first_tap="block00.video.a2v.query_scale", hint="tensor: audio.v2a.context_scale")
def wrong_direction_rows(model: DenoisedPrediction) -> None:
    """Audio-to-video reads the rows of video-to-audio."""
    for rows in _every(model, AVCrossModulation):
        rows.audio_to_video.first = rows.video_to_audio.first


@FAULTS.planted("P28", first_tap="block00.video.self_attn.shift", hint="tensor: block01.video.self_attn.shift")
def swapped_blocks(model: DenoisedPrediction) -> None:
    """Weights of blocks 0 and 1 swapped."""
    first, second, *_ = _every(model, Block)
    weights = {name: tensor.clone() for name, tensor in first.state_dict().items()}
    first.load_state_dict(second.state_dict())
    second.load_state_dict(weights)


@FAULTS.planted("Z2", first_tap="video.timestep_adaln.sinusoid", hint="shift: half exchanged along axis 1")
def sine_first(model: DenoisedPrediction) -> None:
    """Timestep sinusoid with sines before cosines."""
    exact = SinusoidalTimestep.forward

    def forward(self: SinusoidalTimestep, timestep: Tensor) -> Tensor:
        return exact(self, timestep).roll(128, dims=-1)

    _forward(_every(model, SinusoidalTimestep), forward)


@FAULTS.planted("Z3", first_tap="video.self_rope.cos", hint="shift: advanced by 2 samples")
def padding_behind(model: DenoisedPrediction) -> None:
    """RoPE padding behind the frequencies, not in front."""

    def per_head(self: RotaryEmbedding, table: Tensor) -> Tensor:
        missing = self.pairs % (2 * len(self.fraction.max_pos))
        return table.roll(-missing, dims=-1).unflatten(-1, (self.heads, -1)).transpose(1, 2)

    for rope in _every(model, RotaryEmbedding):
        rope._per_head = MethodType(per_head, rope)  # type: ignore[method-assign]


@FAULTS.planted("Z4", first_tap="block00.video.a2v.k_rope", hint="reversal: axis 1")
def query_table_for_keys(model: DenoisedPrediction) -> None:
    """AV keys rotated with the time axis reversed."""

    def forward(self: Rotate, x: Tensor, table: RotaryTable) -> Tensor:
        return Rotate.forward(self, x, RotaryTable(cos=table.cos.flip(2), sin=table.sin.flip(2)))

    _forward([d.attn.rotate_k for d in _every(model, CrossDirection) if d.attn.rotate_k is not None], forward)


@FAULTS.planted("Z5", first_tap="block00.audio.v2a.context")
def sequential_exchange(model: DenoisedPrediction) -> None:
    """Video-to-audio sees the video after audio-to-video."""
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


@FAULTS.planted(
    "Z6", first_tap="block00.video.feed_forward.residual", hint="formula: video.a2v.residual; video.feed_forward.out"
)
def ungated(model: DenoisedPrediction) -> None:
    """Feed-forward added without its gate."""
    exact = GatedResidual.forward

    def forward(
        self: GatedResidual, x: Tensor, update: Tensor, gate: Tensor, keep_mask: Tensor | None = None
    ) -> Tensor:
        return exact(self, x, update, torch.ones_like(gate), keep_mask)

    _forward([layer.residual for layer in _every(model, FeedForwardLayer)], forward)


@FAULTS.planted("Z7", first_tap="video.self_bias", hint="broadcast: index 0; axis 0", case="guided-b2")
def first_sample_for_all(model: DenoisedPrediction) -> None:
    """Every sample gets the first sample's self-attention mask."""
    exact = SelfAttentionBias.forward

    def forward(self: SelfAttentionBias, mask: Tensor, dtype: torch.dtype) -> Tensor:
        return exact(self, mask, dtype)[:1].expand(mask.shape[0], -1, -1, -1)

    _forward(_every(model, SelfAttentionBias), forward)


# Of the newest release, judged by its recordings: 1.0.0's arithmetic where they differ.


@FAULTS.planted(
    "ZR1",
    first_tap="video.av_scale_shift_adaln.timestep",
    hint="broadcast: axis 0 | tensor: video.av_gate_adaln.timestep | tensor: audio.prompt_adaln.timestep",
    suite="recorded",
    release="1.2.0",
)
def scale_and_shift_of_the_other_stream(model: DenoisedPrediction) -> None:
    """AV scale and shift from the other stream's sigma, the same for every token."""
    exact = Stream.forward

    def forward(self: Stream, modality: ModalityInput, other_sigma: Tensor) -> Any:
        def scaled(scale: TimestepScale, timesteps: Tensor) -> Tensor:
            return TimestepScale.forward(scale, other_sigma.view(-1, 1, 1).expand_as(timesteps))

        _forward([self.av_scale_shift_scale], scaled)
        return exact(self, modality, other_sigma)

    _forward(_every(model, Stream), forward)


@FAULTS.planted("ZR2", first_tap="video.self_rope.fraction", hint="rounding", suite="recorded", release="1.2.0")
def rounded_positions(model: DenoisedPrediction) -> None:
    """Video positions rounded to bfloat16."""
    for stream in _every(model, Stream):
        for rope in (stream.self_rope, stream.cross_rope):
            exact = rope.fraction.forward

            def forward(_: nn.Module, positions: Tensor, exact: Any = exact) -> Tensor:
                return exact(positions.to(torch.bfloat16)).to(positions.dtype)

            _forward([rope.fraction], forward)


@FAULTS.planted(
    "ZR3",
    first_tap="video.av_gate_adaln.timestep",
    hint="tensor: video.prompt_adaln.timestep | tensor: audio.av_gate_adaln.timestep",
    suite="recorded",
    release="1.2.0",
)
def gate_of_its_own_stream(model: DenoisedPrediction) -> None:
    """AV gate from the stream's own sigma too, like its scale and shift."""
    exact = Stream.forward

    def forward(self: Stream, modality: ModalityInput, other_sigma: Tensor) -> Any:
        return exact(self, modality, modality.sigma)

    _forward(_every(model, Stream), forward)


FAULTS.configured(
    "X1",
    "AV gate's timestep multiplier defaults to 1, ignoring the checkpoint",
    first_tap="config.video.av_gate_multiplier",
    hint="constant: has 1; 1000",
    config={"transformer.av_ca_timestep_scale_multiplier": 1.0},
)
FAULTS.configured(
    "L7",
    "Norm epsilon taken from a code default, not from the checkpoint",
    first_tap="config.video.eps",
    hint="constant: 1e-06",
    config={"transformer.norm_eps": 1e-06},
    case="odd-config",
)
FAULTS.configured(
    "Z1",
    "RoPE theta taken from a code default, not from the checkpoint",
    first_tap="config.video.rope_theta",
    hint="constant: 10000",
    config={"transformer.positional_embedding_theta": 10000.0},
    case="odd-config",
)
