"""Where a modality enters the transformer: token projection, timestep embeddings, rotary tables, masks."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.release import Release
from ltx_port.transformer.adaln import AdaLNSingle, TimestepScale
from ltx_port.transformer.conditioning import CrossConditioning, StreamConditioning, StreamState
from ltx_port.transformer.head import OutputHead
from ltx_port.transformer.inputs import ModalityInput, StreamWidths
from ltx_port.transformer.masks import ContextBias, SelfAttentionBias
from ltx_port.transformer.modulation import AVCrossModulation, PromptModulation, StreamModulation
from ltx_port.transformer.rope import RotaryEmbedding


@dataclass(frozen=True)
class StreamShape:
    """Widths and constants of one stream, as the checkpoint's configuration gives them."""

    dim: int
    heads: int
    head_dim: int
    in_channels: int
    out_channels: int
    rope_theta: float
    max_pos: tuple[int, ...]
    cross_dim: int
    cross_max_pos: int
    timestep_multiplier: float
    av_gate_multiplier: float
    eps: float

    @property
    def widths(self) -> StreamWidths:
        """What the model fixes of the modality."""
        return StreamWidths(self.in_channels, len(self.max_pos), self.dim)


class Stream(nn.Module):
    """One modality outside the blocks: its way in and its head."""

    def __init__(self, shape: StreamShape, release: Release):
        super().__init__()
        dim, heads, theta = shape.dim, shape.heads, shape.rope_theta
        self.shape, self.release = shape, release
        self.patchify = nn.Linear(shape.in_channels, dim)
        self.timestep_scale = TimestepScale(shape.timestep_multiplier)
        self.timestep_adaln = AdaLNSingle(dim, StreamModulation.ROWS)
        self.prompt_scale = TimestepScale(shape.timestep_multiplier)
        self.prompt_adaln = AdaLNSingle(dim, PromptModulation.ROWS)
        self.self_rope = RotaryEmbedding(dim, heads, theta, shape.max_pos)
        self.self_bias = SelfAttentionBias()
        self.context_bias = ContextBias()
        # Only the time axis, at the width of the audio stream, so that both streams share one clock.
        self.cross_rope = RotaryEmbedding(shape.cross_dim, heads, theta, (shape.cross_max_pos,))
        self.av_scale_shift_scale = TimestepScale(shape.timestep_multiplier)
        self.av_scale_shift_adaln = AdaLNSingle(dim, AVCrossModulation.SCALE_SHIFT_ROWS)
        self.av_sigma_scale = TimestepScale(shape.timestep_multiplier)
        # A factor on sigmas already multiplied, not a multiplier of its own: two roundings.
        self.av_gate_scale = TimestepScale(shape.av_gate_multiplier / shape.timestep_multiplier)
        self.av_gate_adaln = AdaLNSingle(dim, 1)
        self.head = OutputHead(dim, shape.out_channels, shape.eps)

    def forward(self, modality: ModalityInput, other_sigma: Float[Tensor, " batch"] | None) -> StreamState:
        """Give the stream as the blocks take it; `other_sigma` is the other modality's, if there is one."""
        dtype, batch = modality.latent.dtype, modality.latent.shape[0]
        tokens = self.patchify(modality.latent)
        timestep, embedded = self.timestep_adaln(self.timestep_scale(modality.timesteps), dtype)
        prompt, _ = self.prompt_adaln(self.prompt_scale(modality.sigma), dtype)
        mask, context_mask = modality.attention_mask, modality.context_mask
        conditioning = StreamConditioning(
            enabled=modality.enabled,
            timestep=timestep.unflatten(0, (batch, -1)),
            embedded_timestep=embedded.unflatten(0, (batch, -1)),
            prompt_timestep=prompt.unflatten(0, (batch, -1)),
            context=modality.context,
            context_bias=None if context_mask is None else self.context_bias(context_mask, dtype),
            rope=self.self_rope(modality.positions, dtype),
            self_bias=None if mask is None else self.self_bias(mask, dtype),
            cross=None if other_sigma is None else self._cross(modality, other_sigma, dtype),
        )
        return StreamState(tokens, conditioning)

    def _cross(
        self,
        modality: ModalityInput,
        other_sigma: Float[Tensor, " batch"],
        dtype: torch.dtype,
    ) -> CrossConditioning:
        batch = other_sigma.shape[0]
        noise = modality.timesteps if self.release.av_cross_own_timesteps else other_sigma
        scale_shift, _ = self.av_scale_shift_adaln(self.av_scale_shift_scale(noise), dtype)
        # The other modality's noise level: how far what is heard can be trusted by what is seen, and back.
        gate, _ = self.av_gate_adaln(self.av_gate_scale(self.av_sigma_scale(other_sigma)), dtype)
        return CrossConditioning(
            rope=self.cross_rope(modality.positions[:, :1], dtype),
            scale_shift=scale_shift.unflatten(0, (batch, -1)),
            gate=gate.unflatten(0, (batch, 1)),
        )
