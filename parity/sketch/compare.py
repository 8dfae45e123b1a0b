"""Two sketches of one case, tap by tap."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from parity.errors import ExitCode, IncompleteError
from parity.judge import Budgets
from parity.run.dumps import require_same_origin
from parity.sketch.estimate import Difference, difference, no_difference
from parity.sketch.judging import Judged, Standing, judge_difference
from parity.sketch.sketch import Sketch
from parity.store.bits import dtype_name

MODE = "chained"


@dataclass(frozen=True)
class SketchPair:
    """A candidate's sketch beside the reference's, the budget suite for both, and the report group of each tap."""

    candidate: Sketch
    reference: Sketch
    budgets: Budgets
    suite: str
    groups: Mapping[str, str]


@dataclass(frozen=True)
class SketchedTap:
    """How one tap stands, with all that its sketches say of it."""

    tap: str
    group: str
    dtype: str
    shape: tuple[int, ...]
    judged: Judged
    difference: Difference


@dataclass(frozen=True)
class SketchResult:
    """What two sketches say: every tap of both in data-path order, and what could not be compared."""

    suite: str
    case: str
    dtype: str
    taps: tuple[SketchedTap, ...]
    incomplete: tuple[str, ...]
    provenance: Mapping[str, str]

    def standing(self, standing: Standing) -> list[SketchedTap]:
        """Give the taps that stand so."""
        return [tap for tap in self.taps if tap.judged.standing is standing]

    @property
    def exit_code(self) -> ExitCode:
        """Over budget outranks incomplete; what is undecided is incomplete, and so is a comparison of nothing."""
        if self.standing(Standing.OVER):
            return ExitCode.OVER_BUDGET
        if self.incomplete or not self.taps or self.standing(Standing.UNDECIDED):
            return ExitCode.INCOMPLETE
        return ExitCode.WITHIN_BUDGET


def compare_sketches(pair: SketchPair) -> SketchResult:
    """Judge every tap; one that only one side has, or that cannot be compared, makes the result incomplete.

    IncompleteError where the manifests speak of different cases, weights, inputs or releases, or the sketches were
    not taken by one recipe.
    """
    own, reference = pair.candidate, pair.reference
    require_same_origin(own.manifest, reference.manifest)
    if own.recipe != reference.recipe:
        raise IncompleteError(
            "sketch",
            f"{own.recipe}",
            f"the reference's {reference.recipe}",
            "capture one again with the other's recipe",
        )
    taps: list[SketchedTap] = []
    incomplete = _unmatched(own, reference)
    for name in reference.taps:
        if name in own.taps:
            try:
                taps.append(_judged(pair, name))
            except IncompleteError as error:
                incomplete.append(str(error))
    told = reference.manifest
    return SketchResult(pair.suite, told.case, told.dtype, tuple(taps), tuple(incomplete), _provenance(pair))


def _judged(pair: SketchPair, name: str) -> SketchedTap:
    own, reference = pair.candidate.row(name), pair.reference.row(name)
    if own.dtype != reference.dtype:
        raise IncompleteError(
            name,
            f"candidate's dtype {own.dtype}",
            f"the reference's {reference.dtype}",
            "capture both in one precision",
        )
    sums = (pair.candidate.sums, pair.reference.sums)
    # The shape is in the digest as well.
    same = own.digest == reference.digest
    found = no_difference(own) if same else difference(name, own, reference, sums)
    working = pair.reference.manifest.dtype
    budget = pair.budgets.row(pair.suite, name, MODE, working)
    size = (reference.size, reference.norm)
    judged = judge_difference(found, same, size, budget, getattr(torch, working))
    group = pair.groups.get(name, "undeclared")
    return SketchedTap(name, group, dtype_name(own.dtype), own.shape, judged, found)


def _unmatched(own: Sketch, reference: Sketch) -> list[str]:
    found = []
    for kind, names in (("missing", reference.taps.keys() - own.taps), ("extra", own.taps.keys() - reference.taps)):
        if names:
            found.append(
                f"{min(names)}: {kind} in the candidate ({len(names)} taps); expected the same taps on both sides; "
                "capture both with the same patterns"
            )
    for side, sketch in (("candidate", own), ("reference", reference)):
        found += [
            f"{tap.name}: left out of the {side}'s dump ({tap.reason}); expected the whole tensor; capture again"
            for tap in sketch.manifest.dropped
        ]
    return found


def _provenance(pair: SketchPair) -> dict[str, str]:
    own, reference = pair.candidate, pair.reference
    return {
        "candidate": f"{own.manifest.producer}, {own.manifest.device}, sums in {own.sums}",
        "reference": f"{reference.manifest.producer}, {reference.manifest.device}, sums in {reference.sums}",
        "release": reference.manifest.release,
        "seed": str(reference.recipe.seed),
        "exact_elements": str(reference.recipe.elements),
    }
