"""Encoding and decoding in tiles, as long or large clips need it."""

from collections.abc import Iterator
from itertools import groupby

from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.video_vae.blend import Accumulate, CarryOver, Divide, Empty, Sums, Weigh
from ltx_port.video_vae.decoder import VideoDecoder
from ltx_port.video_vae.encoder import CropFrames, VideoEncoder
from ltx_port.video_vae.layout import DecodeLayout, EncodeLayout, Tile
from ltx_port.video_vae.tiling import FRAMES_PER_LATENT, PIXELS_PER_LATENT, Tiling


class TiledDecoder(nn.Module):
    """Decodes in tiles, one stretch of time after the other: as much memory as two of them, however long the clip."""

    def __init__(self, decoder: VideoDecoder):
        super().__init__()
        self.decoder = decoder
        self.layout = DecodeLayout()
        self.empty = Empty(decoder.release)
        self.weigh = Weigh(decoder.release)
        self.accumulate = Accumulate()
        self.carry_over = CarryOver()
        self.divide = Divide()

    def forward(
        self, latent: Float[Tensor, "batch channels latent_frames latent_height latent_width"], tiling: Tiling
    ) -> Iterator[Float[Tensor, "batch colours frames height width"]]:
        """Give stretches of the clip as soon as nothing will be added to them, in pixels nominally in [-1, 1].

        InputError where time is not tiled, before anything is decoded.
        """
        return self._stretches(latent, self.layout(latent, tiling))

    def _stretches(self, latent: Tensor, tiles: tuple[Tile, ...]) -> Iterator[Tensor]:
        before: Sums | None = None
        start, stop = 0, 0
        for (first, last), together in groupby(tiles, lambda tile: (tile.target[2].start, tile.target[2].stop)):
            now = self._stretch(latent, list(together), tiles)
            if before is not None:
                before, now = self.carry_over(before, now, stop - first)
                yield self.divide(before, first - start)
            before, start, stop = now, first, last
        assert before is not None, "a layout has at least one tile"
        yield self.divide(before, stop - start)

    def _stretch(self, latent: Tensor, together: list[Tile], tiles: tuple[Tile, ...]) -> Sums:
        """Decode the tiles of one stretch of time; `tiles` are all of the clip."""
        sums: Sums | None = None
        frames, batch = together[0].target[2], latent.shape[0]
        rows, columns = (length * PIXELS_PER_LATENT for length in latent.shape[3:])
        for tile in together:
            pixels = self.decoder(latent[tile.source])
            if sums is None:
                shape = (batch, pixels.shape[1], frames.stop - frames.start, rows, columns)
                sums = self.empty(pixels, shape, tiles)
            whole, colours, _, *area = tile.target
            sums = self.accumulate(sums, self.weigh(pixels, tile.masks), (whole, colours, slice(None), *area))
        assert sums is not None, "a stretch has at least one tile"
        return sums


class TiledEncoder(nn.Module):
    """Encodes a clip in tiles."""

    def __init__(self, encoder: VideoEncoder):
        super().__init__()
        self.encoder = encoder
        self.crop = CropFrames()
        self.layout = EncodeLayout(encoder.release)
        self.empty = Empty(encoder.release)
        self.weigh = Weigh(encoder.release)
        self.accumulate = Accumulate()
        self.divide = Divide()

    def forward(
        self, pixels: Float[Tensor, "batch colours frames height width"], tiling: Tiling
    ) -> Float[Tensor, "batch channels latent_frames latent_height latent_width"]:
        """Give the normalised latent of the clip, cropped to 8k+1 frames first."""
        pixels = self.crop(pixels)
        tiles = self.layout(pixels, tiling)
        sums: Sums | None = None
        batch, _, frames, height, width = pixels.shape
        latent_frames = (frames - 1) // FRAMES_PER_LATENT + 1
        for tile in tiles:
            latent = self.encoder(pixels[tile.source])
            if sums is None:
                area = (height // PIXELS_PER_LATENT, width // PIXELS_PER_LATENT)
                sums = self.empty(latent, (batch, latent.shape[1], latent_frames, *area), tiles)
            sums = self.accumulate(sums, self.weigh(latent, tile.masks), tile.target)
        assert sums is not None, "a layout has at least one tile"
        return self.divide(sums, latent_frames)
