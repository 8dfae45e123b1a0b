"""The video autoencoder: encoder, decoder, and both in tiles."""

from ltx_port.video_vae.decoder import VideoDecoder
from ltx_port.video_vae.encoder import VideoEncoder
from ltx_port.video_vae.frames import ClipDecoder
from ltx_port.video_vae.tiled import TiledDecoder, TiledEncoder
from ltx_port.video_vae.tiling import TileSize, Tiling

__all__ = ["ClipDecoder", "TileSize", "TiledDecoder", "TiledEncoder", "Tiling", "VideoDecoder", "VideoEncoder"]
