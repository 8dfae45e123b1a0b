"""The latents: from a request to the first denoising step, and from the last one to latents that decoders take."""

from collections import Counter
from importlib.resources import files
from pathlib import Path

import torch

from parity.ltx23.stage import Setting, Stage
from parity.ltx23.stages.latents.cases import LATENTS_CASES
from parity.ltx23.stages.latents.faults import FAULTS
from parity.ltx23.stages.latents.passes import LatentsPass
from parity.ltx23.stages.latents.port import call, load
from parity.taps import Catalogue, TapPlan
from parity.taps.catalogue import Item

_HERE = Path(str(files("parity.ltx23"))) / "stages" / "latents"
_TAPS = Catalogue.load(_HERE / "taps.toml")


def plan(request: LatentsPass, _: Setting) -> TapPlan:
    """Lay out the taps of one pass; the port applies all conditions of a kind by one module, call by call."""
    calls: Counter[str] = Counter()
    items = []
    for index, image in enumerate(request.images):
        kind, flags = ("replace", frozenset[str]()) if image.replaces else ("append", frozenset({"appended"}))
        items.append(Item({"condition": str(index), "nn": f"{index:02d}", "kind": kind, "k": str(calls[kind])}, flags))
        calls[kind] += 1
    return _TAPS.expand(request.name, request.flags, {"condition": items})


LATENTS = Stage(
    id="latents",
    shows="size, tokens, positions, conditions and noise before the first step, the grid behind the last",
    cases=LATENTS_CASES,
    plan=plan,
    load=load,
    call=call,
    official="latents",
    budgets=_HERE / "budgets.toml",
    components=(),
    faults=tuple(FAULTS),
    # Noise of a seed in float64 is another sample.
    truths={torch.bfloat16: torch.float32, torch.float32: torch.float32},
    # What the official code keeps in local variables.
    seen_behind={
        "video.positions.seconds": "video.positions.seconds",
        "append.positions.seconds": "condition01.positions",
        "append.positions.shift": "condition01.positions",
    },
)
