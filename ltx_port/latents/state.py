"""The latent of one stream on its way through the denoising loop."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class LatentState:
    """Tokens of one stream, and what the loop must know of each.

    `latent` is the noisy latent, `clean` what conditions it. `mask` says how far a token is denoised: 1 wholly, 0 not
    at all; always float32. `positions` holds start and end of each token: seconds, pixel rows and pixel columns for
    video, seconds for audio. Tokens appended by conditions come last.
    """

    latent: Float[Tensor, "batch tokens channels"]
    clean: Float[Tensor, "batch tokens channels"]
    mask: Float[Tensor, "batch tokens 1"]
    positions: Float[Tensor, "batch axes tokens 2"]


@dataclass(frozen=True)
class RestoredLatent:
    """A stream laid out in its grid again, without appended tokens; `mask` is one everywhere."""

    latent: Float[Tensor, "batch channels *grid"]
    clean: Float[Tensor, "batch channels *grid"]
    mask: Float[Tensor, "batch 1 *mask_grid"]
    positions: Float[Tensor, "batch axes tokens 2"]
