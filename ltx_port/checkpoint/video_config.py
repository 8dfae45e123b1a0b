"""The `vae` and `scheduler` sections of a checkpoint's configuration."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ltx_port.checkpoint.section import Count, Depth, Number, Section

BlockParameters = dict[Literal["num_layers", "multiplier"], Depth]


def _fitting_parameters(block: tuple[str, BlockParameters]) -> tuple[str, BlockParameters]:
    kind, parameters = block
    wanted = "num_layers" if kind == "res_x" else "multiplier"
    if list(parameters) != [wanted]:
        raise ValueError(f"{wanted}, and nothing else, for a {kind} block")
    return block


EncoderBlock = Annotated[
    tuple[Literal["res_x", "compress_space_res", "compress_time_res", "compress_all_res"], BlockParameters],
    AfterValidator(_fitting_parameters),
]
DecoderBlock = Annotated[
    tuple[Literal["res_x", "compress_space", "compress_time", "compress_all"], BlockParameters],
    AfterValidator(_fitting_parameters),
]


class VideoVaeConfig(Section):
    """The video encoder and decoder; block lists run from pixels to latent in both."""

    class_name: str = Field(alias="_class_name")
    dims: Count
    in_channels: Count
    out_channels: Count
    latent_channels: Count
    encoder_blocks: tuple[EncoderBlock, ...]
    decoder_blocks: tuple[DecoderBlock, ...]
    scaling_factor: Number
    norm_layer: str
    patch_size: Count
    latent_log_var: str
    use_quant_conv: bool
    causal_decoder: bool
    timestep_conditioning: bool
    normalize_latent_channels: bool
    encoder_base_channels: Count
    decoder_base_channels: Count
    spatial_padding_mode: str


class SchedulerConfig(Section):
    """The training schedule; sampling reads none of it."""

    class_name: str = Field(alias="_class_name")
    diffusers_version: str = Field(alias="_diffusers_version")
    num_train_timesteps: Count
    shifting: str | None
    base_resolution: Count | None
    sampler: str
