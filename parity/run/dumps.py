"""Two dumps of one case, compared tap by tap without holding either in memory."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from parity.errors import IncompleteError
from parity.judge import Budgets, Measurement, TapResult, judge
from parity.judge.verdict import TapPlace
from parity.metrics import CompareOptions, compare
from parity.run.record import CaseResult, ForwardResult, RunResult
from parity.store import Dump, Manifest


@dataclass(frozen=True)
class DumpPair:
    """A candidate's dump beside the reference's, the budget suite for both, and the report group of each tap."""

    candidate: Dump
    reference: Dump
    budgets: Budgets
    suite: str
    groups: Mapping[str, str]


def compare_dumps(pair: DumpPair) -> RunResult:
    """Judge every tap; a tap that only one side has, or that cannot be compared, makes the run incomplete.

    IncompleteError where the manifests speak of different cases, weights, inputs or releases.
    """
    own, reference = pair.candidate.manifest, pair.reference.manifest
    require_same_origin(own, reference)
    results: list[TapResult] = []
    incomplete = _unmatched(pair)
    for name in pair.reference.names:
        if name in pair.candidate.names:
            try:
                results.append(_result(pair, name))
            except IncompleteError as error:
                incomplete.append(str(error))
    forward = ForwardResult("dumps", tuple(results), tuple(incomplete))
    case = CaseResult(pair.suite, reference.case, "two dumps of one case", own.dtype, (forward,))
    return RunResult(
        (case,), {"candidate": own.producer, "reference": reference.producer, "release": reference.release}
    )


def require_same_origin(own: Manifest, reference: Manifest) -> None:
    """Refuse dumps that are not of the same case, weights, inputs and release."""
    differing = own.identity_mismatches(reference)
    if differing:
        raise IncompleteError(
            "manifest",
            f"{differing[0]} ({len(differing)} fields differ)",
            "dumps of one case, checkpoint, inputs and release",
            "capture the stale one again",
        )


def _unmatched(pair: DumpPair) -> list[str]:
    candidate, reference = set(pair.candidate.names), set(pair.reference.names)
    found = []
    for kind, names in (("missing", reference - candidate), ("extra", candidate - reference)):
        if names:
            found.append(
                f"{sorted(names)[0]}: {kind} in the candidate ({len(names)} taps); expected the same taps on both "
                "sides; capture both with the same patterns"
            )
    for side, dump in (("candidate", pair.candidate), ("reference", pair.reference)):
        found += [
            f"{tap.name}: left out of the {side}'s dump ({tap.reason}); expected the whole tensor; capture again "
            "with a larger limit"
            for tap in dump.manifest.dropped
        ]
    return found


def _result(pair: DumpPair, name: str) -> TapResult:
    own, reference = pair.candidate.source(name), pair.reference.source(name)
    for what, left, right in (("shape", own.shape, reference.shape), ("dtype", own.dtype, reference.dtype)):
        if left != right:
            raise IncompleteError(
                name, f"candidate's {what} {left}", f"the reference's {right}", "capture both in one precision"
            )
    same = pair.candidate.entry(name).sha256 == pair.reference.entry(name).sha256
    comparison = compare(own, reference, CompareOptions(name=name))
    place = TapPlace(pair.reference.manifest.case, "dumps", name, pair.groups.get(name, "undeclared"), "chained")
    dtype = pair.reference.manifest.dtype
    budget = pair.budgets.row(pair.suite, name, "chained", dtype)
    working = getattr(torch, dtype)
    return judge(place, Measurement(comparison, None, same), budget, working)
