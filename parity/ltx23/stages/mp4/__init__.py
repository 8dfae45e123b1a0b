"""The MP4: frames and sound to what encoders receive, and to the packets of a file."""

from importlib.resources import files
from pathlib import Path

from parity.ltx23.stage import Setting, Stage
from parity.ltx23.stages.mp4.cases import MP4_CASES
from parity.ltx23.stages.mp4.faults import FAULTS
from parity.ltx23.stages.mp4.passes import Mp4Pass
from parity.ltx23.stages.mp4.port import call, load
from parity.taps import Catalogue, TapPlan
from parity.taps.catalogue import Item

_HERE = Path(str(files("parity.ltx23"))) / "stages" / "mp4"
_TAPS = Catalogue.load(_HERE / "taps.toml")


def plan(given: Mp4Pass, _: Setting) -> TapPlan:
    """Lay out the taps of one pass."""
    return _TAPS.expand(given.name, given.flags, {"chunk": Item.numbered("chunk", len(given.chunks))})


MP4 = Stage(
    id="mp4",
    shows="frames and sound as their encoders receive them, and every packet of the file",
    cases=MP4_CASES,
    plan=plan,
    load=load,
    call=call,
    official="mp4",
    budgets=_HERE / "budgets.toml",
    components=(),
    faults=tuple(FAULTS),
)
