"""Latents around the denoising loop: size, tokens, positions, conditions and noise in front of it, the grid behind it.

No step has weights. Left out: attention masks and reference latents (IC-LoRA), temporal masks (retake), generated
keyframes and frozen audio, which the text-and-image-to-video pipelines of LTX-2.3 do not use.
"""

from ltx_port.latents.conditions import Condition, Keyframe, Replacement, image_condition
from ltx_port.latents.geometry import AudioGrid, Clip, VideoGrid
from ltx_port.latents.patchify import PatchifyAudio, PatchifyVideo, UnpatchifyAudio, UnpatchifyVideo
from ltx_port.latents.positions import AudioPositions, VideoPositions
from ltx_port.latents.preparer import AudioRequest, LatentPreparer, VideoRequest
from ltx_port.latents.restorer import LatentRestorer
from ltx_port.latents.state import LatentState, RestoredLatent

__all__ = [
    "AudioGrid",
    "AudioPositions",
    "AudioRequest",
    "Clip",
    "Condition",
    "Keyframe",
    "LatentPreparer",
    "LatentRestorer",
    "LatentState",
    "PatchifyAudio",
    "PatchifyVideo",
    "Replacement",
    "RestoredLatent",
    "UnpatchifyAudio",
    "UnpatchifyVideo",
    "VideoGrid",
    "VideoPositions",
    "VideoRequest",
    "image_condition",
]
