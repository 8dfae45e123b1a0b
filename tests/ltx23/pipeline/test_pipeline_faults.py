"""Faults in the plumbing of a whole generation: over budget, and named where they are."""

from dataclasses import replace
from functools import cache
from types import MethodType
from typing import Any

import pytest

from ltx_port.pipeline import Components
from ltx_port.video_vae import ClipDecoder
from parity.capture import Recording
from parity.errors import ExitCode
from parity.judge import Verdict
from parity.ltx23.binding import BINDING
from parity.ltx23.fault import Fault
from parity.ltx23.stages import CASES, FAULTS
from parity.ltx23.stages.pipeline.faults import components_replaced
from parity.ltx23.world import Variation, World
from parity.run.forward import Forward, Mode, observe
from parity.run.judging import Bar, judge_forward
from parity.run.record import CaseResult, ForwardResult, RunResult

pytestmark = pytest.mark.reference
PLANTED = [fault for fault in FAULTS.values() if fault.stage == "pipeline"]


class Observed:
    """What the official pipeline showed, once for all faults."""

    has_peer = False

    def __init__(self, values: Recording):
        self.values = values

    def truth(self, mode: Mode) -> Recording:
        return self.values


@cache
def official(case: str, forward: str, release: str) -> Observed:
    with World(release=release) as world:
        return Observed(observe(world.official(CASES[case], CASES[case].dtypes[0]), pass_of(world, case, forward)))


def pass_of(world: World, case: str, name: str) -> Forward:
    return next(f for f in world.forwards(CASES[case], CASES[case].dtypes[0]) if f.name == name)


def judged(world: World, case: str, forward: str) -> ForwardResult:
    dtype = CASES[case].dtypes[0]
    bar = Bar("exact", case, BINDING.budgets(), dtype, (Mode.CHAINED,))
    return judge_forward(
        world.port(CASES[case], dtype), official(case, forward, world.release), pass_of(world, case, forward), bar
    )


@pytest.mark.parametrize("fault", PLANTED, ids=[fault.id for fault in PLANTED])
def test_a_fault_between_stages_is_named_where_it_is(fault: Fault) -> None:
    with World(variation=Variation(fault), release=fault.release) as world:
        found = judged(world, fault.case, fault.forward)
    result = RunResult((CaseResult("exact", fault.case, "", "bfloat16", (found,)),), {})
    assert result.exit_code is ExitCode.OVER_BUDGET, result.incomplete
    assert next(tap for tap in result.taps if tap.verdict is Verdict.OVER).place.tap == fault.tap


def test_tiles_of_another_overlap_are_no_pass() -> None:
    """Stretches of other lengths cannot be compared: incomplete, at the frames and nowhere before."""

    def video_decoder(self: Components) -> Any:
        decoder = Components.video_decoder(self)

        def forward(own: ClipDecoder, latent: Any, tiling: Any = None) -> Any:
            return ClipDecoder.forward(own, latent, replace(tiling, frames=replace(tiling.frames, overlap=16)))

        decoder.forward = MethodType(forward, decoder)
        return decoder

    with World() as world:
        case = CASES["pipeline-long"]
        components_replaced(world.port(case, case.dtypes[0]).root, video_decoder=video_decoder)
        found = judged(world, "pipeline-long", "long")
    assert {tap.verdict for tap in found.taps} == {Verdict.IDENTICAL}
    assert [line.partition(":")[0] for line in found.incomplete] == [
        "pipeline.long.stretch00.frames",
        "pipeline.long.stretch01.frames",
    ]
