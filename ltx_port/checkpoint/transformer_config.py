"""The `transformer` section of a checkpoint's configuration: the two-stream model and its text connectors."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from ltx_port.checkpoint.section import Count, Depth, Number, PositiveNumber, Section

OFFICIAL_AUDIO_IN_CHANNELS = 128
"""The width that the official code takes for audio tokens where the file does not state one."""


def _stated(value: object) -> object:
    if value is None:
        raise ValueError("a number, or no such key")
    return value


class TransformerConfig(Section):
    """Every key of the section, in the order of the released 2.3 file.

    Widths are in channels, `*_max_pos` in latent units along (time, height, width) or along time alone.
    Keys that no release of the official code reads are here too: a file that lacks one is another format.
    """

    class_name: str = Field(alias="_class_name")
    activation_fn: str
    attention_bias: bool
    attention_head_dim: Count
    attention_type: str
    caption_channels: Count
    cross_attention_dim: Count
    double_self_attention: bool
    dropout: Number
    in_channels: Count
    norm_elementwise_affine: bool
    norm_eps: PositiveNumber
    norm_num_groups: Count
    num_attention_heads: Count
    num_embeds_ada_norm: Count
    num_layers: Depth
    num_vector_embeds: Count | None
    only_cross_attention: bool
    cross_attention_norm: bool
    out_channels: Count
    upcast_attention: bool
    use_linear_projection: bool
    qk_norm: str
    standardization_norm: str
    positional_embedding_type: str
    positional_embedding_theta: PositiveNumber
    positional_embedding_max_pos: tuple[Count, Count, Count]
    timestep_scale_multiplier: PositiveNumber
    av_ca_timestep_scale_multiplier: PositiveNumber
    causal_temporal_positioning: bool
    audio_num_attention_heads: Count
    audio_attention_head_dim: Count
    use_audio_video_cross_attention: bool
    share_ff: bool
    audio_out_channels: Count
    audio_cross_attention_dim: Count
    audio_positional_embedding_max_pos: tuple[Count]
    av_cross_ada_norm: bool
    use_embeddings_connector: bool
    connector_attention_head_dim: Count
    connector_num_attention_heads: Count
    connector_num_layers: Depth
    connector_positional_embedding_max_pos: tuple[Count]
    connector_num_learnable_registers: Count
    connector_norm_output: bool
    use_middle_indices_grid: bool
    apply_gated_attention: bool
    connector_apply_gated_attention: bool
    caption_projection_first_linear: bool
    caption_projection_second_linear: bool
    caption_proj_input_norm: bool
    connector_learnable_registers_std: Number
    caption_proj_before_connector: bool
    audio_connector_attention_head_dim: Count
    audio_connector_num_attention_heads: Count
    cross_attention_adaln: bool
    text_encoder_norm_type: str
    rope_type: str
    frequencies_precision: str
    # The one key that may be absent: the released 2.3 file lacks it, and the official code then takes 128
    # (OFFICIAL_AUDIO_IN_CHANNELS). None means absent, and is written back as absent.
    audio_in_channels: Annotated[Count | None, BeforeValidator(_stated)] = None

    @property
    def resolved_audio_in_channels(self) -> int:
        """Width of the audio tokens, the official default where the file states none."""
        return OFFICIAL_AUDIO_IN_CHANNELS if self.audio_in_channels is None else self.audio_in_channels

    @property
    def inner_dim(self) -> int:
        """Width of the video stream."""
        return self.num_attention_heads * self.attention_head_dim

    @property
    def audio_inner_dim(self) -> int:
        """Width of the audio stream."""
        return self.audio_num_attention_heads * self.audio_attention_head_dim
