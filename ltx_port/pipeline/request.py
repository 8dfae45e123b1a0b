"""What is to be generated."""

from dataclasses import dataclass

from jaxtyping import UInt8
from torch import Tensor

from ltx_port.denoise import GuidanceScales
from ltx_port.errors import InputError
from ltx_port.latents import Clip
from ltx_port.latents.geometry import require_sides
from ltx_port.pipeline.route import Route

# Source: the official command line, alike in both releases.
DEFAULT_SEED = 10
DEFAULT_FRAMES = 121
DEFAULT_FPS = 24.0


@dataclass(frozen=True)
class PlacedPicture:
    """A picture that conditions the clip at a pixel frame.

    `strength` in [0, 1]: 1 keeps it as it is. `crf` is the quality of the H.264 compression that it is put through
    before it is encoded, as the clips that the model was trained on had been; 0 leaves it as it is.
    """

    pixels: UInt8[Tensor, "height width 3"]
    frame: int
    strength: float
    crf: int


@dataclass(frozen=True)
class GenerationRequest:
    """One clip; a route without guidance reads neither the negative prompt nor the scales, nor the steps."""

    prompt: str
    negative_prompt: str
    clip: Clip
    seed: int
    steps: int
    video: GuidanceScales
    audio: GuidanceScales
    pictures: tuple[PlacedPicture, ...] = ()


def check_request(route: Route, request: GenerationRequest) -> None:
    """Refuse what the route cannot generate, before anything is loaded; InputError says the nearest that it can."""
    clip = request.clip
    require_sides(clip.height, clip.width, route.sides)
    if clip.batch != 1:
        raise InputError("clip batch", f"{clip.batch}", "1", "generate the clips one by one, each with its seed")
    if route.guided and request.steps < 2:
        raise InputError("steps", f"{request.steps}", "two or more", "ask for more steps")
    for number, picture in enumerate(request.pictures):
        where = f"picture {number + 1}"
        if not 0 <= picture.frame < clip.frames:
            got, expected = f"frame {picture.frame}", f"one of 0 to {clip.frames - 1}"
            raise InputError(where, got, expected, "place it inside the clip")
        if not 0.0 <= picture.strength <= 1.0:
            raise InputError(where, f"strength {picture.strength}", "a number from 0 to 1", "choose one")
