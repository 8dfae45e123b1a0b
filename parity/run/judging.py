"""One forward pass in three modes, every tap judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from parity.blame import Blame, Explainer
from parity.capture import Recording
from parity.errors import IncompleteError
from parity.judge import Budgets, Measurement, TapResult, Verdict, judge
from parity.judge.verdict import TapPlace
from parity.metrics import CompareOptions, TensorComparison, compare, compare_equal
from parity.run.forward import Forward, Implementation, Mode, observe
from parity.run.gain import block_gains
from parity.run.maps import Maps
from parity.run.oracle import Oracle
from parity.run.record import ForwardResult
from parity.store.bits import dtype_name
from parity.taps import TapPoint

_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


@dataclass(frozen=True)
class Bar:
    """What a case is held to: its suite, its budgets, its working precision, and the modes to run.

    `every_mode`: run them all even where the first one showed the reference's own bits at every tap. `explainer`
    blames the first pass of a run that is over budget; `maps` maps the error of the worst readings.
    """

    suite: str
    case: str
    budgets: Budgets
    working: torch.dtype
    modes: Sequence[Mode] = tuple(Mode)
    every_mode: bool = True
    explainer: Explainer | None = None
    maps: Maps | None = None


def judge_forward(candidate: Implementation, oracle: Oracle, forward: Forward, bar: Bar) -> ForwardResult:
    """Run the candidate in every mode and judge its taps; what cannot be compared is listed, never passed."""
    results: list[TapResult] = []
    incomplete: list[str] = []
    seen: dict[Mode, Recording] = {}
    identical: dict[str, TensorComparison] = {}
    try:
        for mode in bar.modes:
            seen[mode] = observe(candidate, forward, mode, oracle.values)
            judging = _Judging(seen[mode], oracle, forward, bar, mode, identical)
            for tap in forward.plan:
                try:
                    results.append(judging.result(tap))
                except IncompleteError as error:
                    incomplete.append(str(error))
            if not (bar.every_mode or incomplete) and _all_identical(results, oracle):
                # Forcing would replace every value by the same bits: nothing could come out differently. That each
                # tap has a budget in the other modes too is still asked.
                ask_budgets(forward, bar, bar.modes[1:])
                break
    except IncompleteError as error:
        incomplete.append(str(error))
    if not results and not incomplete:
        incomplete.append(
            f"{forward.name}: no tap compared; expected one or more; declare taps and modes for this pass"
        )
    if bar.maps is not None and results:
        results = bar.maps.added(results, lambda found: _sides(found, seen, oracle), oracle.values)
    gains = _gains(seen, oracle, forward) if not incomplete else {}
    blame = _blame(results, seen, oracle, forward, bar)
    return ForwardResult(forward.name, tuple(results), tuple(incomplete), gains, blame)


def _sides(found: TapResult, seen: Mapping[Mode, Recording], oracle: Oracle) -> tuple[Tensor, Tensor]:
    mode = Mode(found.place.mode)
    return seen[mode][found.place.tap], oracle.truth(mode)[found.place.tap]


def _blame(
    results: Sequence[TapResult], seen: Mapping[Mode, Recording], oracle: Oracle, forward: Forward, bar: Bar
) -> Blame | None:
    over = {(result.place.tap, result.place.mode) for result in results if result.verdict is Verdict.OVER}
    if bar.explainer is None or not over:
        return None
    return bar.explainer.explain(forward.plan, seen, oracle.values, lambda tap, mode: (tap, mode.value) in over)


def ask_budgets(forward: Forward, bar: Bar, modes: Sequence[Mode]) -> None:
    """Ask for the budget of every tap in modes that are not run; BadInputError where there is none."""
    for mode in modes:
        for tap in forward.plan:
            bar.budgets.row(bar.suite, tap.name, mode.value, dtype_name(bar.working))


def _all_identical(results: Sequence[TapResult], oracle: Oracle) -> bool:
    return not oracle.has_peer and all(result.verdict is Verdict.IDENTICAL for result in results)


class _Judging:
    """The judgement of one mode of one pass; `identical` outlives the mode."""

    def __init__(
        self,
        seen: Recording,
        oracle: Oracle,
        forward: Forward,
        bar: Bar,
        mode: Mode,
        identical: dict[str, TensorComparison],
    ):
        self._seen, self._oracle, self._bar, self._mode, self._forward = seen, oracle, bar, mode, forward
        self._identical = identical
        self._truth = oracle.truth(mode)

    def result(self, tap: TapPoint) -> TapResult:
        """Judge one tap; IncompleteError where the two sides are not comparable."""
        own = self._seen[tap.name]
        reference, truth = _found(self._oracle.values, tap.name), _found(self._truth, tap.name)
        require_alike(tap.name, own, reference)
        budget = self._bar.budgets.row(self._bar.suite, tap.name, self._mode.value, dtype_name(self._bar.working))
        place = TapPlace(self._bar.case, self._forward.name, tap.name, tap.group, self._mode.value)
        return judge(place, self._measure(tap.name, own, reference, truth), budget, self._bar.working)

    def _measure(self, name: str, own: Tensor, reference: Tensor, truth: Tensor) -> Measurement:
        options = CompareOptions(name=name)
        same = same_bits(own, reference)
        # The same bits have the same error: no need to measure it twice.
        if self._oracle.has_peer:
            peer = compare(reference, truth, options)
            return Measurement(peer if same else compare(own, truth, options), peer, same)
        if not same:
            return Measurement(compare(own, truth, options), None, same)
        if name not in self._identical:
            self._identical[name] = compare_equal(own, options)
        return Measurement(self._identical[name], None, same)


def same_bits(left: Tensor, right: Tensor) -> bool:
    """Whether two tensors of one dtype and shape hold the same bits (NaN payloads and signed zeros included)."""
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    return torch.equal(as_bits(left), as_bits(right).to(left.device))


def as_bits(tensor: Tensor) -> Tensor:
    """Give the tensor's bits as integers, of the same shape."""
    return tensor.contiguous().view(_BITS[tensor.element_size()])


def require_alike(name: str, own: Tensor, reference: Tensor) -> None:
    """IncompleteError where two tensors are not of one shape and dtype."""
    for what, left, right in (
        ("shape", tuple(own.shape), tuple(reference.shape)),
        ("dtype", own.dtype, reference.dtype),
    ):
        if left != right:
            raise IncompleteError(
                name,
                f"candidate's {what} {left}",
                f"the reference's {right}",
                "compare the same case in the same precision, or correct the port",
            )


def _found(recording: Recording, name: str) -> Tensor:
    if name not in recording:
        raise IncompleteError(name, "not in the reference", "every declared tap", "record the reference again")
    return recording[name]


def _gains(seen: dict[Mode, Recording], oracle: Oracle, forward: Forward) -> dict[str, float]:
    if not {Mode.CHAINED, Mode.TEACHER_FORCED} <= seen.keys():
        return {}
    fed = oracle.values
    if oracle.has_peer:
        # The wider precision shows what the blocks do to an error, without adding rounding of its own.
        return block_gains(forward.plan, oracle.truth(Mode.CHAINED), oracle.truth(Mode.TEACHER_FORCED), fed)
    return block_gains(forward.plan, seen[Mode.CHAINED], seen[Mode.TEACHER_FORCED], fed)
