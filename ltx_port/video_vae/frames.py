"""From a latent to frames that can be shown."""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from ltx_port.video_vae.decoder import VideoDecoder
from ltx_port.video_vae.tiled import TiledDecoder
from ltx_port.video_vae.tiling import Tiling


class ToFrames(nn.Module):
    """Takes pixels from [-1, 1] to what a file or a screen takes: colours last, clamped."""

    def __init__(self, as_bytes: bool):
        super().__init__()
        self.as_bytes = as_bytes

    def forward(
        self, pixels: Float[Tensor, "batch colours frames height width"]
    ) -> Shaped[Tensor, "frames height width colours"]:
        """Give the first sample's frames: bytes, or values from 0 to 1 in the pixels' dtype.

        Bytes are cut off, not rounded: 254.9 is 254. Every operation is rounded to the pixels' dtype.
        """
        shares = ((pixels + 1.0) / 2.0).clamp(0.0, 1.0)
        if self.as_bytes:
            shares = (shares * 255.0).to(torch.uint8)
        return shares[0].permute(1, 2, 3, 0)


class ClipDecoder(nn.Module):
    """Decodes a latent of one sample into frames, in tiles or at once."""

    def __init__(self, decoder: VideoDecoder):
        super().__init__()
        self.tiled = TiledDecoder(decoder)
        self.frames = ToFrames(decoder.release.frames_uint8)

    def forward(
        self,
        latent: Float[Tensor, "batch channels latent_frames latent_height latent_width"],
        tiling: Tiling | None = None,
    ) -> Iterator[Shaped[Tensor, "frames height width colours"]]:
        """Give frames as soon as they are final: all at once without `tiling`."""
        stretches = iter([self.tiled.decoder(latent)]) if tiling is None else self.tiled(latent, tiling)
        return map(self.frames, stretches)
