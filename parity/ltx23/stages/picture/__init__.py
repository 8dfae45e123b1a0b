"""The pictures: from a file to the pixels that the video encoder takes for a clip of one frame."""

from importlib.resources import files
from pathlib import Path

from parity.ltx23.stage import Setting, Stage
from parity.ltx23.stages.picture.cases import PICTURE_CASES
from parity.ltx23.stages.picture.faults import FAULTS
from parity.ltx23.stages.picture.passes import PicturePass
from parity.ltx23.stages.picture.pictures import PICTURES, write_pictures
from parity.ltx23.stages.picture.port import call, load
from parity.taps import Catalogue, TapPlan

_HERE = Path(str(files("parity.ltx23"))) / "stages" / "picture"
_TAPS = Catalogue.load(_HERE / "taps.toml")


def plan(request: PicturePass, _: Setting) -> TapPlan:
    """Lay out the taps of one pass."""
    return _TAPS.expand(request.name, request.flags)


PICTURE = Stage(
    id="picture",
    shows="a picture file decoded, compressed like a video, resized, cropped and scaled",
    cases=PICTURE_CASES,
    plan=plan,
    load=load,
    call=call,
    official="picture",
    budgets=_HERE / "budgets.toml",
    components=(),
    faults=tuple(FAULTS),
    files={PICTURES: write_pictures},
    drawn=(PICTURES,),
    # What it gives is what the step around it gives.
    seen_behind={"degrade.still": "degraded"},
)
