"""The four ways from a prompt to a clip, as data."""

from dataclasses import dataclass, replace
from enum import Enum

from ltx_port.denoise import LTX_2_3, LTX_2_3_HQ, SamplingDefaults
from ltx_port.errors import InputError


class Schedule(Enum):
    """Where the noise levels of the first stage come from."""

    SHIFTED = "the schedule of the undistilled model, alike for every size"
    SHIFTED_BY_SIZE = "that schedule, shifted by the number of latent tokens of the first stage"
    DISTILLED = "the levels that the distilled model was trained for"


@dataclass(frozen=True)
class Route:
    """One pipeline.

    `two_stages`: the first at half the height and width, the second on its upsampled latent. `guided`: the first stage
    is guided, and the negative prompt is read; the second never is. `second_order`: both stages by res_2s, else by
    Euler. `lora_in_both`: the distilled LoRA is used in both stages, at a strength for each; else in the second alone.
    `pixels` (height, width) and `sampling` are what is generated when nothing else is asked for.
    """

    name: str
    two_stages: bool
    guided: bool
    schedule: Schedule
    second_order: bool
    lora_in_both: bool
    pixels: tuple[int, int]
    sampling: SamplingDefaults

    @property
    def sides(self) -> int:
        """What height and width must be multiples of."""
        return 64 if self.two_stages else 32


# Source: the pipelines of ltx_pipelines 1.0.0 and 1.2.0 of the names given, their parameters in its constants.
# TI2VidTwoStagesPipeline
TWO_STAGE = Route(
    "two-stage",
    two_stages=True,
    guided=True,
    schedule=Schedule.SHIFTED,
    second_order=False,
    lora_in_both=False,
    pixels=(1024, 1536),
    sampling=LTX_2_3,
)
# TI2VidOneStagePipeline
ONE_STAGE = replace(TWO_STAGE, name="one-stage", two_stages=False, pixels=(512, 768))
# DistilledPipeline
DISTILLED = replace(TWO_STAGE, name="distilled", guided=False, schedule=Schedule.DISTILLED)
# TI2VidTwoStagesHQPipeline
HQ = replace(
    TWO_STAGE,
    name="hq",
    schedule=Schedule.SHIFTED_BY_SIZE,
    second_order=True,
    lora_in_both=True,
    pixels=(1088, 1920),
    sampling=LTX_2_3_HQ,
)
ROUTES = {route.name: route for route in (TWO_STAGE, ONE_STAGE, DISTILLED, HQ)}


def route_named(name: str) -> Route:
    """Give a route by name; InputError for another name."""
    if name not in ROUTES:
        raise InputError(f"pipeline {name!r}", "unknown", f"one of {', '.join(ROUTES)}", "choose one")
    return ROUTES[name]
