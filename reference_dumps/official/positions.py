"""Token positions, as the official latent tools make them."""

import torch
from ltx_core.components.patchifiers import AudioPatchifier, VideoLatentPatchifier
from ltx_core.tools import AudioLatentTools, VideoLatentTools
from ltx_core.types import AudioLatentShape, VideoLatentShape, VideoPixelShape
from torch import Tensor


def official_positions(clip: tuple[int, int, int], fps: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Give the positions of (video, audio) tokens of a clip of (frames, height, width) in pixels."""
    frames, height, width = clip
    pixels = VideoPixelShape(batch=1, frames=frames, height=height, width=width, fps=fps)
    device = torch.device("cpu")
    video = VideoLatentTools(VideoLatentPatchifier(patch_size=1), VideoLatentShape.from_pixel_shape(pixels), fps)
    audio = AudioLatentTools(AudioPatchifier(patch_size=1), AudioLatentShape.from_video_pixel_shape(pixels))
    return (
        video.create_initial_state(device, dtype).positions,
        audio.create_initial_state(device, dtype).positions,
    )
