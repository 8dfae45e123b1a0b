"""What LTX-2.3 is sampled with when nothing else is asked for.

Source: LTX_2_3_PARAMS and LTX_2_3_HQ_PARAMS of ltx_pipelines.utils.constants, alike in both releases.
"""

from dataclasses import dataclass

from ltx_port.denoise.scales import GuidanceScales


@dataclass(frozen=True)
class SamplingDefaults:
    """Steps of the first stage, and the guidance of each stream in it; the second stage has none."""

    steps: int
    video: GuidanceScales
    audio: GuidanceScales


LTX_2_3 = SamplingDefaults(
    steps=30,
    video=GuidanceScales(cfg=3.0, stg=1.0, stg_blocks=(28,), modality=3.0, rescale=0.7, skip_step=0),
    audio=GuidanceScales(cfg=7.0, stg=1.0, stg_blocks=(28,), modality=3.0, rescale=0.7, skip_step=0),
)

# With the res_2s sampler, which calls the transformer twice a step.
LTX_2_3_HQ = SamplingDefaults(
    steps=15,
    video=GuidanceScales(cfg=3.0, stg=0.0, stg_blocks=(), modality=3.0, rescale=0.45, skip_step=0),
    audio=GuidanceScales(cfg=7.0, stg=0.0, stg_blocks=(), modality=3.0, rescale=1.0, skip_step=0),
)
