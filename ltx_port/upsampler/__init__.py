"""The spatial upsampler: a latent of twice the height and width, for the second stage."""

from ltx_port.upsampler.load import load_upsampler
from ltx_port.upsampler.upsampler import LatentUpsampler, UpsampleVideo

__all__ = ["LatentUpsampler", "UpsampleVideo", "load_upsampler"]
