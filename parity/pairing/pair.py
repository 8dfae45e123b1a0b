"""Two torch modules, the same inputs, taps on both, one verdict for each tap."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from parity.errors import BadInputError
from parity.judge import Allowance, Budget, Budgets, Rule
from parity.judge.budget import GATES
from parity.run.forward import Forward, Implementation, Mode
from parity.run.judging import Bar, judge_forward
from parity.run.oracle import LiveOracle
from parity.run.record import CaseResult, RunResult
from parity.taps import Port, TapPlan, TapPoint

SIDES = ("candidate", "reference")
_SUITE = "pair"
# The bounds of a test are plain numbers; this only cancels out of a budget's floor, which counts in epsilons.
_WORKING = torch.float32


@dataclass(frozen=True)
class Pair:
    """A candidate beside the reference, and what both are called with.

    `inputs` is `(args, kwargs)` for both, or `{"candidate": (args, kwargs), "reference": (args, kwargs)}`. Each
    call gets its own copies of the tensors in them.
    """

    candidate: nn.Module
    reference: nn.Module
    inputs: Any


@dataclass(frozen=True)
class Terms:
    """What is compared, and how strictly.

    `taps` maps names, in data-path order, to (port of the candidate, port of the reference), or is a TapPlan
    whose implementations are called `candidate` and `reference`. `budget` is "bit-identical", "same-values", or
    bounds: `relative_l2`, and `max_abs` in units of the root mean square of the reference tensor. `mode` is one of
    "chained", "teacher-forced" (for plans that mark boundaries) and "isolated".
    """

    taps: Mapping[str, tuple[str, str]] | TapPlan
    budget: str | Mapping[str, float] = "bit-identical"
    mode: str = "chained"


def compare_pair(pair: Pair, terms: Terms, case: str) -> RunResult:
    """Run the reference, then the candidate, and judge every tap; BadInputError where the terms make no sense."""
    if pair.candidate is pair.reference:
        raise BadInputError(case, "one module on both sides", "a candidate and a reference", "build the other one")
    calls = _calls(pair.inputs, case)
    plan = terms.taps if isinstance(terms.taps, TapPlan) else _plan(terms.taps, case)
    mode = _mode(terms.mode, plan, case)
    forward = Forward(case, calls, plan)
    bar = Bar(_SUITE, case, _budgets(terms.budget, case), _WORKING, (mode,))
    candidate = Implementation("candidate", pair.candidate, _run_candidate)
    oracle = LiveOracle(Implementation("reference", pair.reference, _run_reference), forward)
    found = judge_forward(candidate, oracle, forward, bar)
    cases = (CaseResult(_SUITE, case, "two modules in one test", "as given", (found,)),)
    return RunResult(cases, {side: type(getattr(pair, side)).__qualname__ for side in SIDES})


def _run_candidate(module: nn.Module, calls: Any) -> None:
    _run(module, calls["candidate"])


def _run_reference(module: nn.Module, calls: Any) -> None:
    _run(module, calls["reference"])


def _run(module: nn.Module, call: Any) -> None:
    args, kwargs = _fresh(call)
    module(*args, **kwargs)


def _fresh(value: Any) -> Any:
    """Copy the tensors: a module that works in place must not change what the other one is given."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if type(value) in (list, tuple):
        return type(value)(_fresh(item) for item in value)
    if type(value) is dict:
        return {key: _fresh(item) for key, item in value.items()}
    return value


def _calls(inputs: Any, case: str) -> dict[str, Any]:
    calls = dict(inputs) if isinstance(inputs, Mapping) else dict.fromkeys(SIDES, inputs)
    for side in SIDES:
        call = calls.get(side)
        whole = isinstance(call, tuple) and len(call) == 2 and isinstance(call[0], tuple) and isinstance(call[1], dict)
        if not whole or calls.keys() != set(SIDES):
            raise BadInputError(
                f"{case}: inputs",
                f"a {type(inputs).__name__}",
                "(args, kwargs) with a tuple and a dict, or one such pair for each of candidate and reference",
                "write ((x,), {}) for a call with x",
            )
    return calls


def _plan(taps: Mapping[str, tuple[str, str]], case: str) -> TapPlan:
    points = []
    for name, ports in taps.items():
        if not (isinstance(ports, tuple) and len(ports) == 2 and all(isinstance(port, str) for port in ports)):
            expected = '("candidate.path>out", "reference.path>out")'
            raise BadInputError(f"{case}: tap {name!r}", f"{ports!r:.80}", expected, "give both ports")
        parsed = {side: Port.parse(port) for side, port in zip(SIDES, ports, strict=True)}
        points.append(TapPoint(name, case, parsed))
    return TapPlan(tuple(points))


def _mode(name: str, plan: TapPlan, case: str) -> Mode:
    modes = {mode.value: mode for mode in Mode}
    if name not in modes:
        raise BadInputError(f"{case}: mode", repr(name), f"one of {', '.join(modes)}", "correct it")
    mode = modes[name]
    if mode is Mode.TEACHER_FORCED and not plan.boundaries:
        expected = "a plan with boundary taps"
        raise BadInputError(f"{case}: mode", "teacher-forced without boundaries", expected, "use isolated")
    return mode


def _budgets(budget: str | Mapping[str, float], case: str) -> Budgets:
    where = f"{case}: budget"
    if isinstance(budget, str):
        rules = {rule.value: rule for rule in (Rule.BIT_IDENTICAL, Rule.SAME_VALUES)}
        if budget not in rules:
            raise BadInputError(where, repr(budget), f"one of {', '.join(rules)}, or bounds", "correct it")
        rule, allowances = rules[budget], {}
    else:
        rule, allowances = Rule.PEER, {gate: _bound(gate, bound, where) for gate, bound in budget.items()}
        if not allowances:
            raise BadInputError(where, "no bound", f"one of {', '.join(GATES)}", "add one")
    row = Budget(_SUITE, rule, ("*",), (), (), allowances, "the test's own", 1)
    return Budgets([row], where)


def _bound(gate: str, bound: float, where: str) -> Allowance:
    if gate not in GATES or type(bound) not in (int, float) or not (math.isfinite(bound) and bound >= 0):
        expected = f"one of {', '.join(GATES)} with a finite number, 0 or more"
        raise BadInputError(where, f"{gate} = {bound!r}", expected, "correct it")
    # Without a peer in a wider precision the floor is all that is allowed, so it carries the whole bound.
    return Allowance(0.0, bound / torch.finfo(_WORKING).eps, float(bound))
