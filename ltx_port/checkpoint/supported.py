"""Which values of a checkpoint's configuration this port computes; all others are refused."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ltx_port.checkpoint.section import Section

# Each key stands for a branch of the model that this port has only once. The official code refuses some of
# these values too, and silently computes something else for the rest.
_ONLY: dict[str, object] = {
    "transformer._class_name": "AVTransformer3DModel",
    "transformer.activation_fn": "gelu-approximate",
    "transformer.attention_bias": True,
    "transformer.attention_type": "default",
    "transformer.double_self_attention": False,
    "transformer.dropout": 0.0,
    "transformer.norm_elementwise_affine": False,
    "transformer.num_embeds_ada_norm": 1000,
    "transformer.num_vector_embeds": None,
    "transformer.only_cross_attention": False,
    "transformer.cross_attention_norm": True,
    "transformer.upcast_attention": False,
    "transformer.use_linear_projection": False,
    "transformer.qk_norm": "rms_norm",
    "transformer.standardization_norm": "rms_norm",
    "transformer.positional_embedding_type": "rope",
    "transformer.causal_temporal_positioning": True,
    "transformer.use_audio_video_cross_attention": True,
    "transformer.share_ff": False,
    "transformer.av_cross_ada_norm": True,
    "transformer.use_embeddings_connector": True,
    "transformer.connector_num_learnable_registers": 128,
    "transformer.connector_norm_output": True,
    "transformer.use_middle_indices_grid": True,
    "transformer.apply_gated_attention": True,
    "transformer.connector_apply_gated_attention": True,
    "transformer.caption_projection_first_linear": False,
    "transformer.caption_projection_second_linear": False,
    "transformer.caption_proj_input_norm": False,
    "transformer.caption_proj_before_connector": True,
    "transformer.cross_attention_adaln": True,
    "transformer.text_encoder_norm_type": "per_token_rms",
    "transformer.rope_type": "split",
    "transformer.frequencies_precision": "float64",
    "vae._class_name": "CausalVideoAutoencoder",
    "vae.dims": 3,
    "vae.norm_layer": "pixel_norm",
    "vae.latent_log_var": "uniform",
    "vae.use_quant_conv": False,
    "vae.causal_decoder": False,
    "vae.timestep_conditioning": False,
    "vae.normalize_latent_channels": False,
    "vae.spatial_padding_mode": "zeros",
    "audio_vae.model.params.ddconfig.double_z": True,
    "audio_vae.model.params.ddconfig.downsample_time": False,
    "audio_vae.model.params.ddconfig.attn_resolutions": (),
    "audio_vae.model.params.ddconfig.dropout": 0.0,
    "audio_vae.model.params.ddconfig.mid_block_add_attention": False,
    "audio_vae.model.params.ddconfig.norm_type": "pixel",
    "audio_vae.model.params.ddconfig.causality_axis": "height",
    "audio_vae.preprocessing.audio.stereo": True,
    "audio_vae.preprocessing.stft.causal": True,
} | {
    f"vocoder.{generator}.{key}": value
    for generator in ("vocoder", "bwe")
    for key, value in {
        "resblock": "AMP1",
        "stereo": True,
        "use_tanh_at_final": False,
        "activation": "snakebeta",
        "use_bias_at_final": False,
    }.items()
}


class Violation(NamedTuple):
    """A key whose value this port cannot honour."""

    key: str
    got: object
    expected: str


def unsupported_values(config: Section, supported: Mapping[str, object] = _ONLY) -> Iterator[Violation]:
    """Give each key whose value selects something that this port does not compute; by default of a checkpoint."""
    values = config.model_dump(by_alias=True)
    for key, only in supported.items():
        got: object = values
        for part in key.split("."):
            assert isinstance(got, dict)  # the table names keys that the sections have; a test holds it to that
            got = got[part]
        if got != only:
            yield Violation(key, got, repr(only))
