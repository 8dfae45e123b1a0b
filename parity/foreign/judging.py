"""The judgement of a foreign port: its tensors, mapped to the taps of a reference's dump, by the usual budgets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from parity.blame import Blame, Explainer, Operations
from parity.capture import Mode
from parity.errors import IncompleteError
from parity.foreign.candidate import MappedCandidate, exempted
from parity.foreign.files import IDENTITY_KEY, ForeignFile, identity_of
from parity.foreign.mapping import TapMapping
from parity.judge import Budgets, Measurement, TapResult, Verdict, judge
from parity.judge.verdict import TapPlace
from parity.metrics import CompareOptions, compare
from parity.run.dumps import Recorded
from parity.run.judging import same_bits
from parity.run.maps import Maps
from parity.run.record import CaseResult, ForwardResult, RunResult
from parity.store import Dump
from parity.taps import TapPlan


@dataclass(frozen=True)
class ForeignPair:
    """What a foreign port wrote and how it is mapped, the reference's dump, and the budgets that hold.

    `groups` maps the declared taps, in data-path order, to the group that reports gather them under. `plans` lay out
    the passes of the case, and `operations` says which part of the model a tap shows: both for blame (without plans
    there is none), and the second for maps of the error.
    """

    foreign: ForeignFile
    mapping: TapMapping
    reference: Dump
    budgets: Budgets
    suite: str
    groups: Mapping[str, str]
    plans: Sequence[TapPlan] = ()
    operations: Operations = field(default_factory=Operations)


def compare_foreign(pair: ForeignPair) -> RunResult:
    """Judge every tap that the mapping covers; what is not whole about the mapping makes the run incomplete.

    IncompleteError where the port's file says that it was computed from other inputs than the reference, or nothing.
    """
    _require_same_inputs(pair)
    candidate = MappedCandidate(pair.mapping, pair.foreign, _ordered(pair))
    results: list[TapResult] = []
    incomplete = [*candidate.problems, *_cut(pair, candidate)]
    for tap in candidate.covered:
        try:
            results.append(_result(pair, tap, candidate.tensor(tap)))
        except IncompleteError as error:
            incomplete.append(str(error))
    taps, maps = Recorded(pair.reference), Maps(pair.operations)
    results = maps.added(results, lambda found: (candidate.tensor(found.place.tap), taps[found.place.tap]), taps)
    manifest = pair.reference.manifest
    forward = ForwardResult("mapped", tuple(results), tuple(incomplete), blame=_blame(pair, candidate, results))
    case = CaseResult(pair.suite, manifest.case, "a foreign port's tensors", manifest.dtype, (forward,))
    return RunResult((case,), _provenance(pair, candidate))


class _Mapped(Mapping[str, Tensor]):
    """The taps of a foreign port that could be compared, made when they are asked for."""

    def __init__(self, candidate: MappedCandidate, taps: Sequence[str]):
        self._candidate, self._taps = candidate, dict.fromkeys(taps)

    def __getitem__(self, tap: str) -> Tensor:
        if tap not in self._taps:
            raise KeyError(tap)
        return self._candidate.tensor(tap)

    def __iter__(self) -> Iterator[str]:
        return iter(self._taps)

    def __len__(self) -> int:
        return len(self._taps)


def _blame(pair: ForeignPair, candidate: MappedCandidate, results: Sequence[TapResult]) -> Blame | None:
    """Blame the first pass in which a tap is over budget, from the port's own values alone: it cannot be forced."""
    over = {result.place.tap for result in results if result.verdict is Verdict.OVER}
    own = {Mode.CHAINED: _Mapped(candidate, [result.place.tap for result in results])}
    explainer = Explainer(pair.operations)
    for plan in pair.plans:
        blame = explainer.explain(plan, own, Recorded(pair.reference), lambda tap, _: tap in over)
        if blame is not None:
            return blame
    return None


def _ordered(pair: ForeignPair) -> list[str]:
    """Give the reference's taps in data-path order; those that the case does not declare come last."""
    shown = set(pair.reference.names)
    declared = [tap for tap in pair.groups if tap in shown]
    known = set(declared)
    return [*declared, *(tap for tap in pair.reference.names if tap not in known)]


def _require_same_inputs(pair: ForeignPair) -> None:
    own, expected = pair.foreign.identity, identity_of(pair.reference.manifest)
    if own == expected or (own is None and pair.mapping.unsigned is not None):
        return
    raise IncompleteError(
        f"identity of {pair.foreign.path.name}",
        "none" if own is None else f"{own!r:.80}",
        f"{expected}, the reference's inputs and weights",
        f"repeat `identity` of the inputs' manifest.json as {IDENTITY_KEY}; a port that cannot says why in `unsigned`"
        if own is None
        else "run the port again on the inputs of this case, or capture the reference again",
    )


def _cut(pair: ForeignPair, candidate: MappedCandidate) -> list[str]:
    return [
        f"{tap.name}: left out of the reference's dump ({tap.reason}); expected the whole tensor; capture again "
        "with a larger limit"
        for tap in pair.reference.manifest.dropped
        if candidate.speaks_for(tap.name)
    ]


def _result(pair: ForeignPair, tap: str, own: Tensor) -> TapResult:
    reference = pair.reference.read(tap)
    for what, left, right in (
        ("shape", tuple(own.shape), tuple(reference.shape)),
        ("dtype", own.dtype, reference.dtype),
    ):
        if left != right:
            step = "add a `cast` to its entry" if what == "dtype" else "correct its entry's steps"
            raise IncompleteError(tap, f"mapped to {what} {left}", f"the reference's {right}", step)
    comparison = compare(own, reference, CompareOptions(name=tap))
    manifest = pair.reference.manifest
    place = TapPlace(manifest.case, "mapped", tap, pair.groups.get(tap, "undeclared"), "chained")
    budget = pair.budgets.row(pair.suite, tap, "chained", manifest.dtype)
    measurement = Measurement(comparison, None, same_bits(own, reference))
    return judge(place, measurement, budget, getattr(torch, manifest.dtype))


def _provenance(pair: ForeignPair, candidate: MappedCandidate) -> dict[str, str]:
    manifest, names = pair.reference.manifest, pair.reference.names
    told = {
        "candidate": f"{pair.foreign.path.name}, a foreign port's tensors",
        "reference": manifest.producer,
        "release": manifest.release,
        "mapping": pair.mapping.told,
        "covered": f"{len(candidate.covered)} of the {len(names)} taps of the reference",
    }
    if pair.mapping.skipped:
        told["skipped_taps"] = exempted(pair.mapping.skipped, names)
    if pair.mapping.ignored:
        told["ignored_tensors"] = exempted(pair.mapping.ignored, pair.foreign.names)
    if pair.foreign.identity is None:
        told["unsigned"] = str(pair.mapping.unsigned)
    return told
