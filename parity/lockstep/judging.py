"""One forward pass of two implementations that run side by side, every tap judged."""

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from parity.capture import Visitor
from parity.errors import IncompleteError
from parity.judge import Measurement, TapResult, judge
from parity.judge.verdict import TapPlace
from parity.lockstep.exchange import Everything, Exchange, Shown
from parity.lockstep.identity import IdentityCheck
from parity.metrics import CompareOptions, ErrorMap, TensorComparison, compare
from parity.run.forward import Forward, Implementation, Mode, forced_names, show, watch
from parity.run.judging import Bar, ask_budgets, require_alike, same_bits
from parity.run.maps import worst
from parity.run.record import ForwardResult
from parity.store.bits import dtype_name
from parity.taps import TapPoint

Progress = Callable[[int], None]


def judge_in_lockstep(
    candidate: Implementation, reference: Implementation, forward: Forward, bar: Bar, progress: Progress
) -> ForwardResult:
    """Run both side by side in every mode and judge the candidate's taps.

    First only whether all bits agree is asked; where they do, the other modes would feed the same bits, and are left
    out unless the bar wants every mode. Where they do not, the pass is run again and every tap measured, in each mode.
    `progress` is told how many taps have been compared. The gain of blocks is not measured: it needs whole recordings.
    """
    run = _Run(candidate, reference, forward, bar, progress)
    run.begin()
    return run.told() or run.again()


def judge_all_in_lockstep(
    candidate: Implementation,
    reference: Implementation,
    forwards: Iterable[Forward],
    bar: Bar,
    progress: Callable[[Forward, int], None],
) -> Iterator[ForwardResult]:
    """Judge passes as `judge_in_lockstep` does, each in a thread beside the next one.

    A GPU takes on some hundredths of a second of work in advance and no more: judging in between lets it stand still.
    While it works, the thread that gives it work mostly waits.
    """
    pending: deque[tuple[_Run, Future[ForwardResult | None]]] = deque()
    with ThreadPoolExecutor(1, "judge") as judges:
        for forward in forwards:
            run = _Run(candidate, reference, forward, bar, partial(progress, forward))
            run.begin()
            pending.append((run, judges.submit(run.told)))
            if len(pending) > 1:
                yield _ended(*pending.popleft())
        while pending:
            yield _ended(*pending.popleft())


def _ended(run: "_Run", told: "Future[ForwardResult | None]") -> ForwardResult:
    return told.result() or run.again()


@dataclass
class _Run:
    candidate: Implementation
    reference: Implementation
    forward: Forward
    bar: Bar
    progress: Progress
    incomplete: list[str] = field(default_factory=list)
    check: IdentityCheck | None = None

    def begin(self) -> None:
        """Run chained if that may tell all; a device may still be at work when this returns."""
        bar = self.bar
        if not bar.every_mode and bar.modes and bar.modes[0] is Mode.CHAINED:
            # What is wrong is told tap by tap when all are measured.
            with suppress(IncompleteError):
                self.check = self._checked(IdentityCheck())

    def told(self) -> ForwardResult | None:
        """Give the result where `begin` showed that all bits agree, None where something else is to be told."""
        found = None if self.check is None else self.check.answer()
        return None if found is None else self._all_identical(found)

    def again(self) -> ForwardResult:
        """Run again: with more care where nothing is known to differ, else to measure every tap in each mode."""
        results: list[TapResult] = []
        try:
            found = self._with_care()
            if found is not None:
                return self._all_identical(found)
            for mode in self.bar.modes:
                results += self.measured(mode)
        except IncompleteError as error:
            self.incomplete.append(str(error))
        return ForwardResult(self.forward.name, tuple(results), tuple(self.incomplete))

    def _with_care(self) -> dict[str, TensorComparison] | None:
        careful = frozenset() if self.check is None else self.check.again()
        if careful:
            with suppress(IncompleteError):
                return self._checked(IdentityCheck(careful)).answer()
        return None

    def _all_identical(self, found: Mapping[str, TensorComparison]) -> ForwardResult:
        ask_budgets(self.forward, self.bar, self.bar.modes[1:])
        return ForwardResult(self.forward.name, tuple(self.results(found, Mode.CHAINED)), ())

    def _checked(self, check: IdentityCheck) -> IdentityCheck:
        def look(name: str, own: Tensor, theirs: Shown) -> None:
            require_alike(name, own, theirs.tensor)
            check.ask(name, own, theirs)

        self._run(Mode.CHAINED, look, check.careful)
        check.close()
        return check

    def measured(self, mode: Mode) -> list[TapResult]:
        """Run in a mode and measure every tap that can be compared; what cannot is noted."""
        found: dict[str, tuple[TensorComparison, bool]] = {}
        mapped: dict[str, ErrorMap | None] = {}
        counts: dict[str, Tensor] = {}

        def look(name: str, own: Tensor, shown: Shown) -> None:
            theirs = shown.tensor
            try:
                require_alike(name, own, theirs)
            except IncompleteError as error:
                self.incomplete.append(str(error))
            else:
                found[name] = compare(own, theirs, CompareOptions(name=name)), same_bits(own, theirs)
                if theirs.numel() == 1:
                    counts[name] = theirs
                # No tensor is kept, so that each is mapped before it is known which are the worst.
                if self.bar.maps is not None and not found[name][1]:
                    mapped[name] = self.bar.maps.of(name, (own, theirs), found[name][0], counts)

        self._run(mode, look)
        judged = [self._judged(tap, mode, *found[tap.name]) for tap in self.forward.plan if tap.name in found]
        return self._with_worst(judged, mapped)

    def _with_worst(self, judged: list[TapResult], mapped: Mapping[str, ErrorMap | None]) -> list[TapResult]:
        for at in worst(judged):
            result = judged[at]
            judged[at] = replace(result, measurement=replace(result.measurement, map=mapped.get(result.place.tap)))
        return judged

    def results(self, found: Mapping[str, TensorComparison], mode: Mode) -> list[TapResult]:
        """Judge taps whose bits agree."""
        return [self._judged(tap, mode, found[tap.name], True) for tap in self.forward.plan]

    def _judged(self, tap: TapPoint, mode: Mode, comparison: TensorComparison, same: bool) -> TapResult:
        bar = self.bar
        budget = bar.budgets.row(bar.suite, tap.name, mode.value, dtype_name(bar.working))
        place = TapPlace(bar.case, self.forward.name, tap.name, tap.group, mode.value)
        return judge(place, Measurement(comparison, None, same), budget, bar.working)

    def _run(
        self, mode: Mode, look: Callable[[str, Tensor, Shown], None], copied: Container[str] = Everything()
    ) -> None:
        def reference(visitor: Visitor) -> None:
            watch(self.reference, self.forward, visitor)

        with Exchange(reference, copied) as exchange:
            visitor = _Beside(exchange, forced_names(self.candidate, self.forward, mode), look, self.progress)
            show(_with_end(self.candidate, exchange), self.forward, visitor, forces=bool(visitor.forced))


@dataclass
class _Beside:
    """Shows the candidate's taps beside the reference's, and forces the reference's values where asked."""

    exchange: Exchange
    forced: frozenset[str]
    look: Callable[[str, Tensor, Shown], None]
    progress: Progress
    seen: int = 0

    def visit(self, name: str, tensor: Tensor) -> Tensor | None:
        """Compare; give a copy of the reference's tensor where it is to be used instead."""
        try:
            theirs = self.exchange.take(name)
            self.look(name, tensor, theirs)
            self.seen += 1
            self.progress(self.seen)
            return self._forced(name, tensor, theirs.tensor) if name in self.forced else None
        except BaseException:
            # Functions that both patch are restored in the order in which they were patched: the reference goes first.
            self.exchange.stop()
            raise

    def _forced(self, name: str, tensor: Tensor, theirs: Tensor) -> Tensor:
        if theirs.shape != tensor.shape:
            raise IncompleteError(
                name,
                f"the reference's value has shape {tuple(theirs.shape)}",
                f"{tuple(tensor.shape)}",
                "correct the port: nothing behind can be fed",
            )
        # A copy, so that an implementation that works in place cannot change the reference.
        return theirs.to(device=tensor.device, dtype=tensor.dtype, copy=True)


def _with_end(candidate: Implementation, exchange: Exchange) -> Implementation:
    """Let the reference end its pass while the candidate's hooks are still in place."""

    def call(root: nn.Module, inputs: Any) -> None:
        try:
            candidate.call(root, inputs)
            exchange.finish()
        except BaseException:
            exchange.stop()
            raise

    return Implementation(candidate.name, candidate.root, call)
