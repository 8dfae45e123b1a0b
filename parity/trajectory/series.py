"""Two dumps with taps of every step: the drift that they show."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from parity.errors import BadInputError, IncompleteError
from parity.metrics import CompareOptions, compare
from parity.store import Dump
from parity.trajectory.record import GuidanceError, StepError, Trajectory

_STEP = re.compile(r"(^|\.)step(\d+)(?=\.)")


@dataclass(frozen=True)
class StepTaps:
    """Which taps of a step show what, by pattern (`*` and `?`).

    `states` are what a step hands on. `guided` is the end of the name of a guided prediction, `conditioned` that of the
    conditioned one beside it.
    """

    states: tuple[str, ...]
    guided: str
    conditioned: str


def compare_series(reference: Dump, candidate: Dump, taps: StepTaps) -> Trajectory:
    """Compare the states behind every step, and what guidance made of the conditioned pass, where both show it.

    The dumps may be of two precisions. Their steps cannot be fed anew: there is no reset test. IncompleteError for
    dumps of different cases, weights or releases, and for a tap that one of them lacks; BadInputError where no tap is
    of a step.
    """
    _require_one_origin(reference, candidate)
    wanted = [name for name in reference.names if _is_wanted(name, taps)]
    others = [name for name in candidate.names if _is_wanted(name, taps)]
    if odd := sorted(set(wanted) ^ set(others)):
        got = f"only in {'the reference' if odd[0] in wanted else 'the candidate'} ({len(odd)} taps)"
        raise IncompleteError(odd[0], got, "the same taps of each step in both", "capture both with the same patterns")
    if not wanted:
        expected = f"taps such as {', '.join(taps.states)} below a step"
        raise BadInputError(str(reference.path), "no tap of a step", expected, "capture a case of denoising")
    errors = {name: _error(name, reference, candidate) for name in wanted}
    steps = [StepError(_step(n), _without_step(n), e) for n, e in errors.items() if _matches(n, taps.states)]
    dtypes = [dump.manifest.dtype for dump in (reference, candidate)]
    return Trajectory(
        reference=f"{reference.manifest.producer}, {dtypes[0]}",
        candidate=f"{candidate.manifest.producer}, {dtypes[1]}",
        steps=tuple(sorted(steps, key=lambda one: (one.step, one.tensor))),
        guidance=tuple(_guidance(errors, taps)),
        final=_last(steps),
        quality=(),
    )


def _require_one_origin(reference: Dump, candidate: Dump) -> None:
    one, other = reference.manifest, candidate.manifest
    differing = other.identity_mismatches(one)
    if one.dtype != other.dtype:
        # The same numbers in another dtype have another hash.
        differing = [line for line in differing if not line.startswith("input_sha256")]
    if differing:
        got = f"{differing[0]} ({len(differing)} fields differ)"
        raise IncompleteError("manifest", got, "dumps of one case, checkpoint and release", "capture one again")


def _is_wanted(name: str, taps: StepTaps) -> bool:
    ends = (f"*.{taps.guided}", f"*.{taps.conditioned}")
    return _STEP.search(name) is not None and (_matches(name, taps.states) or _matches(name, ends))


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _step(name: str) -> int:
    found = _STEP.search(name)
    assert found is not None, f"{name} is of no step"
    return int(found.group(2))


def _without_step(name: str) -> str:
    return _STEP.sub("", name, count=1).lstrip(".")


def _error(name: str, reference: Dump, candidate: Dump) -> float:
    own, expected = candidate.source(name), reference.source(name)
    if own.shape != expected.shape:
        raise IncompleteError(name, f"candidate's shape {own.shape}", f"{expected.shape}", "capture both alike")
    found = compare(own, expected, CompareOptions(name=name))
    if found.has_nonfinite:
        raise IncompleteError(name, "numbers that are not finite", "finite ones", "find out where they arise first")
    return found.relative_l2


def _guidance(errors: dict[str, float], taps: StepTaps) -> list[GuidanceError]:
    found = []
    for name, error in errors.items():
        if name.endswith(f".{taps.guided}"):
            beside = errors.get(f"{name.removesuffix(taps.guided)}{taps.conditioned}")
            amplified = error / beside if beside else None
            found.append(GuidanceError(_step(name), _without_step(name), amplified))
    return sorted(found, key=lambda one: (one.step, one.tensor))


def _last(steps: list[StepError]) -> dict[str, float]:
    found: dict[str, StepError] = {}
    for one in steps:
        if one.tensor not in found or one.step > found[one.tensor].step:
            found[one.tensor] = one
    return {tensor: one.chained for tensor, one in found.items()}


def by_tensor(steps: Iterable[StepError]) -> dict[str, list[StepError]]:
    """Sort errors by what they are of, steps in their order."""
    found: dict[str, list[StepError]] = defaultdict(list)
    for one in steps:
        found[one.tensor].append(one)
    return dict(found)
