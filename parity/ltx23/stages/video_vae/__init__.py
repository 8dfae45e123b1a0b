"""The video autoencoder: clips and images to latents, latents to frames, at once and in tiles."""

from parity.ltx23.stage import Stage
from parity.ltx23.stages.video_vae.cases import VIDEO_VAE_CASES
from parity.ltx23.stages.video_vae.faults import FAULTS
from parity.ltx23.stages.video_vae.plan import HERE, plan
from parity.ltx23.stages.video_vae.port import call, load

VIDEO_VAE = Stage(
    id="video_vae",
    shows="clips to latents and latents to frames, at once and in tiles",
    cases=VIDEO_VAE_CASES,
    plan=plan,
    load=load,
    call=call,
    official="video_vae",
    budgets=HERE / "budgets.toml",
    components=("video_encoder", "video_decoder"),
    faults=tuple(FAULTS),
    # What these give, the official code shows nowhere, or it is what a tap behind them receives.
    seen_behind={
        "arrange1": "norm1",
        "arrange2": "norm2",
        "arrange": "conv.padded",
        "arrange_in": "conv_in.padded",
        "arrange_out": "norm_out",
        "arrange_activation": "activation_out",
        "skip": "residual",
        "tiled.empty": "values",
        "tiled.weigh": "values",
        "tiled.carry_over": "pixels",
        "layout.trapezoid": "mask.rows",
        "layout.cut_off": "mask.rows",
        "coder.crop": "tile00.in",
        "coder.empty": "together.latent",
        "coder.weigh": "together.latent",
        "coder.accumulate": "together.latent",
    },
)
