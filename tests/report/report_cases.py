"""Runs of every kind, judged by the engine's own rules, which the report's tests have in common."""

from dataclasses import replace
from functools import cache
from io import StringIO
from math import inf, nan

import torch
from hypothesis import strategies as st
from rich.console import Console

from parity.judge import Allowance, Budget, Measurement, Rule, judge
from parity.judge.verdict import TapPlace
from parity.metrics import HeadAxis, compare, error_map
from parity.report import render
from parity.run.record import CaseResult, ForwardResult, RunResult

MODES = ("chained", "teacher-forced", "isolated")
ONES = torch.linspace(1, 2, 24).reshape(2, 3, 4)
NEAR = ONES + torch.linspace(0, 1e-3, 24).reshape(2, 3, 4)
FAR = ONES.clone()
FAR[1, 2, 3] += 3.0
TIGHT = {"relative_l2": Allowance(1.0, 0.0, 0.01), "max_abs": Allowance(0.0, 1e5, 1.0)}
# name: (rule, candidate, truth, peer)
KINDS = {
    "identical": (Rule.BIT_IDENTICAL, ONES, ONES, None),
    "same values": (Rule.SAME_VALUES, ONES, ONES.double(), None),
    "wholes": (Rule.BIT_IDENTICAL, torch.arange(3), torch.arange(3), None),
    "within": (Rule.PEER, ONES.bfloat16(), ONES, (ONES + 0.01).bfloat16()),
    "same bits": (Rule.PEER, ONES.bfloat16(), ONES, ONES.bfloat16()),
    "all one": (Rule.PEER, ONES, ONES, ONES),
    "other bits": (Rule.BIT_IDENTICAL, NEAR, ONES, None),
    "over": (Rule.PEER, FAR, ONES, NEAR),
    "other flags": (Rule.SAME_VALUES, torch.tensor([True, False]), torch.tensor([True, True]), None),
    "nan": (Rule.PEER, torch.tensor([nan, 1.0]), torch.tensor([1.0, 1.0]), torch.tensor([1.0, 1.5])),
    "infinite": (Rule.BIT_IDENTICAL, torch.tensor([inf, 1.0]), torch.tensor([inf, 1.0]), None),
    "nothing finite": (Rule.PEER, torch.full((2,), nan), torch.full((2,), -inf), torch.full((2,), nan)),
    "infinite error": (Rule.PEER, torch.ones(2), torch.zeros(2), torch.zeros(2)),
    "empty": (Rule.BIT_IDENTICAL, torch.ones(0, 2), torch.ones(0, 2), None),
}
# As large as most activations of the probe matrix, so that reports of them are as long.
_NOISE = torch.randn(1, 12, 64, generator=torch.Generator().manual_seed(1))
KINDS["activation"] = (
    Rule.PEER,
    (_NOISE * 1.003).bfloat16(),
    _NOISE,
    (_NOISE * 1.0031).bfloat16(),
)
GOOD = ("activation", "identical", "same values", "wholes", "within", "same bits", "all one")
BAD = tuple(sorted(KINDS.keys() - set(GOOD)))


@cache
def _measured(kind):
    rule, candidate, truth, peer = KINDS[kind]
    reference = truth if peer is None else peer
    same = candidate.dtype == reference.dtype and torch.equal(candidate, reference)
    found = compare(candidate, truth)
    seen = error_map(candidate, truth, found.max_abs, HeadAxis(candidate.ndim - 1, 2))
    if seen is not None and candidate.ndim == 3:
        seen = replace(seen, axes=("batch", "tokens", "channels"))
    return rule, Measurement(found, None if peer is None else compare(peer, truth), same, seen)


def tap(kind, name="tap", mode="chained", group="group", case="case", forward="pass"):
    rule, measurement = _measured(kind)
    budget = Budget("suite", rule, ("*",), (), (), TIGHT if rule is Rule.PEER else {}, "why", 1)
    return judge(TapPlace(case, forward, name, group, mode), measurement, budget, torch.bfloat16)


def one_pass(*taps, incomplete=(), gains=None, blame=None):
    return ForwardResult("pass", tuple(taps), tuple(incomplete), gains or {}, blame)


def one_case(*forwards, suite="drift", case="case", dtype="bfloat16"):
    return CaseResult(suite, case, "what it guards", dtype, tuple(forwards))


def one_run(*cases, **provenance):
    return RunResult(tuple(cases), provenance)


def run_of(*taps, incomplete=()):
    return one_run(one_case(one_pass(*taps, incomplete=incomplete)))


def in_terminal(run, width=100, details=False):
    out = StringIO()
    render(run, Console(file=out, width=width), details)
    return out.getvalue()


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
gains = st.floats(allow_nan=False, min_value=0)


@st.composite
def forwards(draw, case):
    name = draw(names)
    keys = draw(st.lists(st.tuples(names, st.sampled_from(MODES)), unique=True, max_size=5))
    groups = st.sampled_from(("block00", "block01", "|<b>"))
    taps = [tap(draw(st.sampled_from(sorted(KINDS))), at, mode, draw(groups), case, name) for at, mode in keys]
    incomplete = draw(st.lists(names, max_size=2))
    return ForwardResult(name, tuple(taps), tuple(incomplete), draw(st.dictionaries(names, gains, max_size=2)))


@st.composite
def cases(draw):
    case = draw(names)
    return CaseResult(draw(names), case, draw(names), draw(names), tuple(draw(st.lists(forwards(case), max_size=3))))


@st.composite
def runs(draw):
    provenance = draw(st.dictionaries(names, names, max_size=2))
    return RunResult(tuple(draw(st.lists(cases(), max_size=3))), provenance)
