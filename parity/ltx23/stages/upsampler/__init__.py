"""The spatial upsampler: a normalised latent to one of twice the height and width."""

from importlib.resources import files
from pathlib import Path

from parity.ltx23.stage import Setting, Stage, TensorPass
from parity.ltx23.stages.upsampler.cases import UPSAMPLER_CASES, write_upsampler
from parity.ltx23.stages.upsampler.faults import FAULTS
from parity.ltx23.stages.upsampler.port import call, load
from parity.taps import Catalogue, TapPlan
from parity.taps.catalogue import Item

_HERE = Path(str(files("parity.ltx23"))) / "stages" / "upsampler"
_TAPS = Catalogue.load(_HERE / "taps.toml")


def plan(forward: TensorPass, _: Setting) -> TapPlan:
    """Lay out the taps of one pass."""
    depth = forward.settings["blocks"]
    return _TAPS.expand(
        forward.name, repeats={"before": Item.numbered("before", depth), "after": Item.numbered("after", depth)}
    )


UPSAMPLER = Stage(
    id="upsampler",
    shows="a latent to twice the height and width, between the video statistics",
    cases=UPSAMPLER_CASES,
    plan=plan,
    load=load,
    call=call,
    official="upsampler",
    budgets=_HERE / "budgets.toml",
    components=("video_statistics",),
    faults=tuple(FAULTS),
    files={"upsampler": write_upsampler},
)
