"""Blame on the model: every tap has a part; some faults of different kinds are found, named and understood."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

import pytest
import torch

from parity.binding import CampaignRequest, LocateRequest
from parity.blame import HintKind, Totals
from parity.errors import BadInputError
from parity.ltx23.binding import BINDING
from parity.ltx23.controls import NOISES, moved
from parity.ltx23.operations import operations
from parity.ltx23.stage import Stage
from parity.ltx23.stages import CASES, FAULTS, STAGES
from parity.ltx23.world import PROVEN_LIVE, World

# Of different kinds and stages, from among the quick ones; the campaign has all of them.
SOME = {
    "A1": HintKind.FACTOR,
    "ZD5": HintKind.SIGN,
    "ZV2": HintKind.SHIFT,
    "ZT11": HintKind.TENSOR,
    "ZN12": HintKind.LAYOUT,
    "L2": HintKind.ZERO,
    "ZU6": HintKind.CONSTANT,
}


def all_taps() -> set[str]:
    # Planes of colours are there from release 1.2.0 on.
    newest = [stage for stage in STAGES.values() if stage.id == "mp4"]
    return taps_of(STAGES.values(), PROVEN_LIVE) | taps_of(newest, "1.2.0")


def taps_of(stages: Iterable[Stage], release: str) -> set[str]:
    with World(release=release) as world:
        return {
            name
            for stage in stages
            for case in stage.cases
            if not (case.real_size or case.thorough)
            for forward in world.forwards(case, case.dtypes[0])
            for name in forward.plan.names
        }


def test_every_tap_has_a_part_and_every_pattern_a_tap():
    taps, table = all_taps(), operations()
    assert [name for name in sorted(taps) if table.part(name) is None] == []
    ruled = {name: next(row for row in table.rows if row.covers(name)) for name in taps}
    idle = {(row.part, pattern) for row in table.rows for pattern in row.taps}
    for name, row in ruled.items():
        idle.discard((row.part, next(pattern for pattern in row.taps if fnmatchcase(name, pattern))))
    assert idle == set()
    assert all(any(fnmatchcase(name, pattern) for name in taps) for row in table.axes for pattern in row.taps)


def test_most_faults_declare_the_hint_that_is_right():
    declared = [fault for fault in FAULTS.values() if fault.hints]
    assert len(declared) >= 0.75 * len(FAULTS)


# Which ports shipped, as the project's list of faults calls them; at least forty more are our own.
SHIPPED = (
    *("R1", "R2", "R5", "A1", "A4", "A6", "D1", "D4", "X1", "X2", "P4", "T6", "T8", "S7", "S8", "P12", "N1", "N4"),
    *("V2", "V3", "U1", "W1", "W7", "W9", "W10", "L2", "L7", "P28"),
)


def test_every_fault_that_ports_shipped_can_be_planted_and_more_of_every_stage():
    assert set(SHIPPED) <= set(FAULTS)
    assert len(FAULTS) >= len(SHIPPED) + 40
    assert {fault.stage for fault in FAULTS.values()} == set(STAGES)


def test_a_campaign_is_about_every_fault_unless_asked_otherwise():
    assert BINDING.asked_faults(CampaignRequest()) == list(FAULTS)
    assert BINDING.asked_faults(CampaignRequest(faults=("ZU1", "U1"))) == ["U1", "ZU1"]


@pytest.mark.parametrize("noise", NOISES)
def test_legitimate_noise_is_called_rounding_or_nothing(noise):
    with World() as world:
        found = list(moved(CASES["text-small"], torch.float32, noise, world, every=8))
    assert [one for one in found if one.misled] == []
    assert found or noise == "threads"


@pytest.mark.reference
def test_faults_of_each_kind_are_found_named_and_understood():
    outcomes = BINDING.campaign(CampaignRequest(faults=tuple(SOME)))
    assert [outcome.id for outcome in outcomes] == [identifier for identifier in FAULTS if identifier in SOME]
    assert {outcome.id: outcome.blame.kind for outcome in outcomes if outcome.blame} == SOME
    totals = Totals.of(outcomes)
    assert (totals.detected, totals.named, totals.hinted, totals.misled) == (7, 7, 7, 0)
    assert all(outcome.blame and outcome.blame.part and outcome.blame.mode == "isolated" for outcome in outcomes)


@pytest.mark.reference
def test_a_fault_that_is_recorded_from_another_release_is_found_within_its_rounding():
    """Its timestep's sinusoid differs by rounding on another machine, and is not blamed."""
    (outcome,) = BINDING.campaign(CampaignRequest(faults=("ZR3",)))
    assert (outcome.detected, outcome.named, outcome.hinted) == (True, True, True)


@pytest.mark.reference
def test_a_correct_port_is_not_blamed():
    found = BINDING.locate(LocateRequest(case="upsampler-sizes", dtype="bfloat16"))
    assert found.blame is None
    assert found.passes > 1
    assert not found.incomplete


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (LocateRequest(), "neither a case nor a fault"),
        (LocateRequest(fault="Q99"), "fault 'Q99'"),
        (LocateRequest(case="nowhere"), "case 'nowhere'"),
        (LocateRequest(case="small", suite="best"), "suite 'best'"),
        (LocateRequest(case="small", dtype="int3"), "dtype 'int3'"),
    ],
)
def test_a_search_for_what_does_not_exist_is_refused(request_, told):
    with pytest.raises(BadInputError, match=told):
        BINDING.locate(request_)


@pytest.mark.parametrize("request_", [CampaignRequest(faults=("Q99",)), CampaignRequest(stages=("nowhere",)),
                                      CampaignRequest(stages=("text",), faults=("A1",))])  # fmt: skip
def test_a_campaign_of_nothing_is_refused(request_):
    with pytest.raises(BadInputError):
        BINDING.campaign(request_)
