"""Blame on the model: every tap has a part; ten faults of different kinds are found, named and understood."""

from fnmatch import fnmatchcase

import pytest

from parity.binding import CampaignRequest, LocateRequest
from parity.blame import HintKind, Totals
from parity.errors import BadInputError
from parity.ltx23.binding import BINDING
from parity.ltx23.operations import operations
from parity.ltx23.stages import FAULTS, STAGES
from parity.ltx23.world import World

# One of each kind, of all stages, from among the quick ones.
TEN = {
    "A1": HintKind.FACTOR,
    "ZD5": HintKind.SIGN,
    "ZV2": HintKind.SHIFT,
    "ZT11": HintKind.TENSOR,
    "ZN12": HintKind.LAYOUT,
    "ZA14": HintKind.PER_INDEX,
    "L2": HintKind.ZERO,
    "ZL6": HintKind.ROUNDING,
    "ZW7": HintKind.FUNCTION,
    "ZU6": HintKind.CONSTANT,
}


def all_taps() -> set[str]:
    with World() as world:
        return {
            name
            for stage in STAGES.values()
            for case in stage.cases
            if not case.real_size
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
    assert len(declared) >= 0.8 * len(FAULTS)


@pytest.mark.reference
def test_ten_faults_are_found_named_and_understood():
    outcomes = BINDING.campaign(CampaignRequest(faults=tuple(TEN)))
    assert [outcome.id for outcome in outcomes] == list(TEN)
    assert {outcome.id: outcome.blame.kind for outcome in outcomes if outcome.blame} == TEN
    totals = Totals.of(outcomes)
    assert (totals.detected, totals.named, totals.hinted, totals.misled) == (10, 10, 10, 0)
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
