"""From a prompt to frames and sound: the four routes, their files, and what a run loads when."""

from ltx_port.pipeline.components import Components, Numerics
from ltx_port.pipeline.files import ModelFiles, check_files
from ltx_port.pipeline.pipeline import Generated, Pipeline
from ltx_port.pipeline.request import GenerationRequest, PlacedPicture, check_request
from ltx_port.pipeline.route import DISTILLED, HQ, ONE_STAGE, ROUTES, TWO_STAGE, Route, route_named

__all__ = [
    "DISTILLED",
    "HQ",
    "ONE_STAGE",
    "ROUTES",
    "TWO_STAGE",
    "Components",
    "Generated",
    "GenerationRequest",
    "ModelFiles",
    "Numerics",
    "Pipeline",
    "PlacedPicture",
    "Route",
    "check_files",
    "check_request",
    "route_named",
]
