"""Denoising: schedules, guidance, and the samplers that call the transformer step by step."""

from importlib.resources import files
from pathlib import Path

from parity.ltx23.stage import Setting, Stage
from parity.ltx23.stages.denoise.cases import DENOISE_CASES
from parity.ltx23.stages.denoise.evaluations import items
from parity.ltx23.stages.denoise.faults import FAULTS
from parity.ltx23.stages.denoise.passes import DenoisePass, SchedulePass
from parity.ltx23.stages.denoise.port import call, load
from parity.taps import Catalogue, TapPlan

_HERE = Path(str(files("parity.ltx23"))) / "stages" / "denoise"
_TAPS = Catalogue.load(_HERE / "taps.toml")


def plan(forward: DenoisePass, setting: Setting) -> TapPlan:
    """Lay out the taps of one pass."""
    if isinstance(forward, SchedulePass):
        return _TAPS.expand(forward.name, frozenset({"schedule"}), {"step": [], "clean": []})
    steps, clean = items(forward, joined=setting.release != "1.0.0")
    flags = {"res_2s" if forward.second_order else "euler"}
    for stream, scales in zip(("video", "audio"), forward.scales or (), strict=False):
        if scales.rescale != 0:
            flags.add(f"rescaled_{stream}")
    return _TAPS.expand(forward.name, frozenset(flags), {"step": steps, "clean": clean})


DENOISE = Stage(
    id="denoise",
    shows="schedules; passes, guidance and steps of every sampler, to the latents of both streams",
    cases=DENOISE_CASES,
    plan=plan,
    load=load,
    call=call,
    official="denoise",
    budgets=_HERE / "budgets.toml",
    components=(),
    faults=tuple(FAULTS),
    # Outside the model's inputs, the official code keeps these in local variables.
    seen_behind={
        "input.timesteps": "video.timesteps",
        "log_steps": "h",
    },
)
