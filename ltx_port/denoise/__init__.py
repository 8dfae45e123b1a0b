"""From noise to latents: schedules, guidance, and the samplers that call the transformer step by step."""

from ltx_port.denoise.defaults import LTX_2_3, LTX_2_3_HQ, SamplingDefaults
from ltx_port.denoise.denoiser import GuidedDenoiser, GuidedRun, SimpleDenoiser, SimpleRun, Text
from ltx_port.denoise.euler import EulerLoop
from ltx_port.denoise.res_2s import Res2sLoop
from ltx_port.denoise.scales import GuidanceScales
from ltx_port.denoise.schedule import DISTILLED_SIGMAS, STAGE_2_SIGMAS, ShiftedSchedule
from ltx_port.denoise.stream import NoisyStream

__all__ = [
    "DISTILLED_SIGMAS",
    "LTX_2_3",
    "LTX_2_3_HQ",
    "STAGE_2_SIGMAS",
    "EulerLoop",
    "GuidanceScales",
    "GuidedDenoiser",
    "GuidedRun",
    "NoisyStream",
    "Res2sLoop",
    "SamplingDefaults",
    "ShiftedSchedule",
    "SimpleDenoiser",
    "SimpleRun",
    "Text",
]
