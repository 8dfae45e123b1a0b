"""A foreign port beside a reference: every covered tap is made exactly once, and nothing that is not whole passes."""

import re
from typing import Any

import pytest
import torch
from foreign_cases import IDENTITY, Judge, entry, judge, mapping, numbers
from torch import Tensor

from parity.errors import BadInputError, IncompleteError
from parity.foreign.mapping import TapMapping
from parity.judge import Verdict
from parity.run.record import RunResult
from parity.store import DroppedTap

__all__ = ["judge"]

A, B = numbers(2, 6), numbers(3, first=50)
REFERENCE = {"s.p.a": A, "s.p.b": B}
PORT = {"x": A, "y": B}
BOTH = (entry("s.p.a", "x"), entry("s.p.b", "y"))


def reasons(result: RunResult) -> list[str]:
    return [reason for case in result.cases for forward in case.forwards for reason in forward.incomplete]


def verdicts(result: RunResult) -> dict[str, Verdict]:
    return {tap.place.tap: tap.verdict for tap in result.taps}


def passes(result: RunResult) -> bool:
    return not reasons(result) and set(verdicts(result).values()) <= {Verdict.IDENTICAL, Verdict.WITHIN}


def test_whole_and_equal_passes(judge: Judge) -> None:
    result = judge(REFERENCE, PORT, mapping(*BOTH))
    assert passes(result)
    assert list(verdicts(result)) == ["s.p.a", "s.p.b"]


def test_all_kinds_of_steps_together(judge: Judge) -> None:
    """A port with a fused projection, interleaved rotary pairs, turned axes, half precision and an offset."""
    q, k, v = (numbers(1, 5, 8, first=first) for first in (0, 40, 80))
    shift, scale = numbers(1, 4, first=7), numbers(1, 4, first=11)
    pairs = q.unflatten(-1, (2, 2, 2)).transpose(-1, -2).flatten(-3)
    port = {
        "qkv": torch.cat([pairs, k, v], -1)[0].T.bfloat16(),
        "ada": torch.stack([scale + 1, shift]),
        "pos": numbers(3, 2).double() + 0.5,
    }
    steps: list[dict[str, Any]] = [{"transpose": [0, 1]}, {"unsqueeze": 0}, {"cast": "float32"}]
    used = mapping(
        entry("s.q", "qkv", *steps, {"split": [8, 8, 8], "take": 0}, {"rope": "interleaved-to-split", "heads": 2}),
        entry("s.k", "qkv", *steps, {"split": [8, 8, 8], "take": 1}),
        entry("s.v", "qkv", *steps, {"split": [8, 8, 8], "take": 2}),
        entry("s.shift", "ada", {"reorder": [1, 0], "axis": 0}, {"slice": [0, 1], "axis": 0}, {"squeeze": 0}),
        entry("s.scale", "ada", {"slice": [0, 1], "axis": 0}, {"reshape": [1, 4]}, {"add": -1.0}),
        entry("s.pos", "pos", {"add": -0.5}, {"cast": "float32"}, {"permute": [1, 0]}),
    )
    reference = {"s.q": q, "s.k": k, "s.v": v, "s.shift": shift, "s.scale": scale, "s.pos": numbers(3, 2).T}
    result = judge(reference, port, used)
    assert passes(result), reasons(result)
    told = result.provenance["mapping"]
    assert "4 exact casts" in told
    assert "2 scaled or shifted" in told


def test_a_wrong_value_is_over_budget_at_its_tap(judge: Judge) -> None:
    wrong = A.clone()
    wrong[1, 2] += 1
    result = judge(REFERENCE, {**PORT, "x": wrong}, mapping(*BOTH))
    assert verdicts(result) == {"s.p.a": Verdict.OVER, "s.p.b": Verdict.IDENTICAL}
    # And its error is mapped, in the order of the reference's elements.
    maps = {tap.place.tap: tap.measurement.map for tap in result.taps}
    assert maps["s.p.a"] is not None
    assert (maps["s.p.a"].cells, maps["s.p.b"]) == ("........A...", None)


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_what_is_not_finite_never_passes(judge: Judge, odd: float) -> None:
    for own, reference in ((True, False), (False, True), (True, True)):
        spoilt = B.clone()
        spoilt[1] = odd
        result = judge(
            {**REFERENCE, "s.p.b": spoilt if reference else B},
            {**PORT, "y": spoilt if own else B},
            mapping(*BOTH),
        )
        assert not passes(result)


CASES: dict[str, tuple[dict[str, Tensor], TapMapping, str]] = {
    "a tap without an entry": (PORT, mapping(BOTH[0], ignore=[{"from": "y", "reason": "r"}]), "mapped by no entry"),
    "a tap with two": (PORT, mapping(*BOTH, entry("s.p.b", "y", shared="r")), "mapped twice"),
    "a tensor that was not written": ({"x": A}, mapping(*BOTH), "no tensor 'y'"),
    "a tensor that is left over": ({**PORT, "z": B}, mapping(*BOTH), "'z' of port.safetensors: used by no entry"),
    "an entry in vain": ({**PORT, "z": B}, mapping(*BOTH, entry("s.p.c", "z")), "not in the reference"),
    "an entry that is not covered": (PORT, mapping(*BOTH, covers="*.a"), "left out by covers or skip"),
    "another shape": ({**PORT, "x": A.T}, mapping(*BOTH), r"mapped to shape \(6, 2\)"),
    "an axis too many": ({**PORT, "y": B[None]}, mapping(*BOTH), r"mapped to shape \(1, 3\)"),
    "another dtype": ({**PORT, "y": B.double()}, mapping(*BOTH), "mapped to dtype torch.float64"),
    "steps that do not fit": (PORT, mapping(BOTH[0], entry("s.p.b", "y", {"squeeze": 0})), "an axis of size 1"),
    "elements that are left over": (
        {**PORT, "y": numbers(5, first=50)}, mapping(BOTH[0], entry("s.p.b", "y", {"slice": [0, 3]})),
        "2 of 5 elements used by no entry",
    ),
    "elements that are read twice": (
        {"x": A, "y": B}, mapping(BOTH[0], entry("s.p.b", "x", {"slice": [0, 3]}, {"slice": [0, 1], "axis": 0},
        {"squeeze": 0}), ignore=[{"from": "y", "reason": "r"}]), "3 of 12 elements read more than once",
    ),
}  # fmt: skip


def test_a_tensor_that_is_joined_with_itself_is_read_twice(judge: Judge) -> None:
    used = mapping({"tap": "s.p.a", "from": ["y", "y"], "steps": [{"concat": 0}]})
    (told,) = reasons(judge({"s.p.a": torch.cat([B, B])}, {"y": B}, used))
    assert "3 of 3 elements read more than once" in told


def test_a_tap_that_the_reference_left_out_is_incomplete(judge: Judge) -> None:
    cut = (DroppedTap("s.p.c", "limit"),)
    (told,) = reasons(judge(REFERENCE, PORT, mapping(*BOTH), dropped=cut))
    assert told.startswith("s.p.c: left out of the reference's dump (limit)")
    assert passes(judge(REFERENCE, PORT, mapping(*BOTH, covers=["*.a", "*.b"]), dropped=cut))


@pytest.mark.parametrize(("port", "used", "reason"), CASES.values(), ids=CASES.keys())
def test_what_is_not_whole_is_incomplete(judge: Judge, port: dict[str, Tensor], used: TapMapping, reason: str) -> None:
    result = judge(REFERENCE, port, used)
    (told,) = [one for one in reasons(result) if re.search(reason, one)]
    assert "\n" not in told


def test_what_reads_the_same_elements_says_why(judge: Judge) -> None:
    reference = {"s.p.a": A, "s.p.again": A}
    used = mapping(entry("s.p.a", "x"), entry("s.p.again", "x", shared="the port returns its input"))
    result = judge(reference, {"x": A}, used)
    assert passes(result)
    assert "1 that read what others read" in result.provenance["mapping"]


def test_what_is_left_out_is_told_with_its_reason(judge: Judge) -> None:
    used = mapping(
        entry("s.p.a", "x"),
        skip=[{"taps": "s.p.b", "reason": "fused away"}],
        ignore=[{"from": ["y"], "reason": "a cache"}],
    )
    result = judge(REFERENCE, PORT, used)
    assert passes(result)
    assert result.provenance["skipped_taps"] == "1: fused away"
    assert result.provenance["ignored_tensors"] == "1: a cache"
    assert result.provenance["covered"] == "1 of the 2 taps of the reference"


@pytest.mark.parametrize(
    "more",
    [
        {"covers": ["s.p.a", "s.q.*"]},
        {"skip": [{"taps": "none", "reason": "r"}]},
        {"ignore": [{"from": "none", "reason": "r"}]},
    ],
)
def test_a_pattern_that_matches_nothing_is_an_error(judge: Judge, more: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match="matches no"):
        judge(REFERENCE, PORT, mapping(*BOTH, **more))


def test_nothing_to_compare_is_not_a_pass(judge: Judge) -> None:
    used = mapping(entry("s.p.a", "x"), skip=[{"taps": "*", "reason": "r"}], ignore=[{"from": "*", "reason": "r"}])
    result = judge(REFERENCE, PORT, used)
    assert not passes(result)


def test_a_port_that_ran_on_other_inputs_is_refused(judge: Judge) -> None:
    for changes in ({"seed": 0, "input_sha256": {"x": "c" * 64}}, {"checkpoint_sha256": "c" * 64}, {"release": "2"}):
        with pytest.raises(IncompleteError, match="the reference's inputs and weights"):
            judge(REFERENCE, PORT, mapping(*BOTH), **changes)


def test_a_port_that_does_not_say_what_it_ran_on_needs_a_reason(judge: Judge) -> None:
    with pytest.raises(IncompleteError, match="`unsigned`"):
        judge(REFERENCE, PORT, mapping(*BOTH), identity=None)
    used = mapping(*BOTH, unsigned="the writer has no metadata")
    assert judge(REFERENCE, PORT, used, identity=None).provenance["unsigned"] == "the writer has no metadata"
    with pytest.raises(IncompleteError):
        judge(REFERENCE, PORT, used, identity=IDENTITY.replace(IDENTITY[0], "0" if IDENTITY[0] != "0" else "1"))
