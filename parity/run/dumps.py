"""Two dumps of one case, compared tap by tap without holding either in memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from parity.errors import IncompleteError
from parity.judge import Budgets, Measurement, TapResult, judge
from parity.judge.verdict import TapPlace
from parity.metrics import CompareOptions, TensorSource, compare, engine_name
from parity.run.maps import Maps
from parity.run.record import CaseResult, ForwardResult, RunResult
from parity.store import Dump, Manifest


@dataclass(frozen=True)
class DumpPair:
    """A candidate's dump beside the reference's, the budget suite for both, and the report group of each tap.

    `across_releases`: the dumps may follow different releases; then what both show is compared.
    `maps` maps the error of the worst readings.
    """

    candidate: Dump
    reference: Dump
    budgets: Budgets
    suite: str
    groups: Mapping[str, str]
    across_releases: bool = False
    maps: Maps | None = None

    @property
    def crosses(self) -> bool:
        """Whether the dumps do follow different releases, and may."""
        return self.across_releases and self.candidate.manifest.release != self.reference.manifest.release


def compare_dumps(pair: DumpPair) -> RunResult:
    """Judge every tap; a tap that only one side has, or that cannot be compared, makes the run incomplete.

    Across releases the taps that both have are judged: a release shows steps that another has not, and may shape
    them otherwise. IncompleteError where the manifests speak of different cases, weights, inputs or releases.
    """
    own, reference = pair.candidate.manifest, pair.reference.manifest
    require_same_origin(own, reference, pair.crosses)
    results: list[TapResult] = []
    incomplete = _unmatched(pair)
    for name in pair.reference.names:
        if name in pair.candidate.names:
            try:
                results.append(_result(pair, name))
            except IncompleteError as error:
                incomplete.append(str(error))
    if pair.maps is not None:
        results = pair.maps.added(results, lambda found: _sides(pair, found.place.tap), Recorded(pair.reference))
    forward = ForwardResult("dumps", tuple(results), tuple(incomplete))
    case = CaseResult(pair.suite, reference.case, "two dumps of one case", own.dtype, (forward,), reference.release)
    return RunResult((case,), _provenance(pair))


def require_same_origin(own: Manifest, reference: Manifest, across_releases: bool = False) -> None:
    """Refuse dumps that are not of the same case, weights, inputs and release; `across_releases` asks for less."""
    differing = own.identity_mismatches(reference, across_releases)
    if differing:
        same = own.release == reference.release or across_releases
        raise IncompleteError(
            "manifest",
            f"{differing[0]} ({len(differing)} fields differ)",
            "dumps of one case and checkpoint"
            if across_releases
            else "dumps of one case, checkpoint, inputs and release",
            "capture the stale one again" if same else "capture one again, or compare them with --across-releases",
        )


def _provenance(pair: DumpPair) -> dict[str, str]:
    own, reference = pair.candidate.manifest, pair.reference.manifest
    told = {
        "candidate": own.producer,
        "reference": reference.producer,
        "release": reference.release,
        "engine": engine_name(),
    }
    if not pair.crosses:
        return told
    only = len(set(pair.candidate.names) - set(pair.reference.names))
    only_reference = len(set(pair.reference.names) - set(pair.candidate.names))
    return {
        **told,
        "release": f"candidate {own.release}, reference {reference.release}",
        "taps_of_one_release": f"{only} in the candidate, {only_reference} in the reference: not compared",
    }


def _unmatched(pair: DumpPair) -> list[str]:
    candidate, reference = set(pair.candidate.names), set(pair.reference.names)
    found = []
    for kind, names in (("missing", reference - candidate), ("extra", candidate - reference)):
        if names and not pair.crosses:
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


def _sides(pair: DumpPair, name: str) -> tuple[TensorSource, TensorSource]:
    return pair.candidate.source(name), pair.reference.source(name)


class Recorded(Mapping[str, Tensor]):
    """A dump's taps, read when they are asked for."""

    def __init__(self, dump: Dump):
        self._dump, self._names = dump, dict.fromkeys(dump.names)

    def __getitem__(self, tap: str) -> Tensor:
        """Read a tap."""
        if tap not in self._names:
            raise KeyError(tap)
        return self._dump.read(tap)

    def __contains__(self, tap: object) -> bool:
        """Say whether a tap is there, without reading it."""
        return tap in self._names

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Count the taps."""
        return len(self._names)


def _result(pair: DumpPair, name: str) -> TapResult:
    own, reference = pair.candidate.source(name), pair.reference.source(name)
    remedy = "leave it: the releases shape it otherwise" if pair.crosses else "capture both in one precision"
    for what, left, right in (("shape", own.shape, reference.shape), ("dtype", own.dtype, reference.dtype)):
        if left != right:
            raise IncompleteError(name, f"candidate's {what} {left}", f"the reference's {right}", remedy)
    same = pair.candidate.entry(name).sha256 == pair.reference.entry(name).sha256
    comparison = compare(own, reference, CompareOptions(name=name))
    place = TapPlace(pair.reference.manifest.case, "dumps", name, pair.groups.get(name, "undeclared"), "chained")
    dtype = pair.reference.manifest.dtype
    budget = pair.budgets.row(pair.suite, name, "chained", dtype)
    working = getattr(torch, dtype)
    return judge(place, Measurement(comparison, None, same), budget, working)
