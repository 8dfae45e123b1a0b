"""What is remembered of the elements compared so far."""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Executor, Future

from parity.errors import IncompleteError
from parity.metrics.concentration import AxisSums
from parity.metrics.engines import Engine, engine_for
from parity.metrics.exactness import Pair
from parity.metrics.found import Found, Subject
from parity.metrics.options import CompareOptions
from parity.metrics.worst import WorstElements


class Accumulator:
    """Running comparison of one subject, fed with disjoint runs of elements in any order.

    Two accumulators of one subject fed with disjoint runs can be merged. `engine`: what measures the runs; by
    default what suits the first of them.
    """

    def __init__(self, subject: Subject, options: CompareOptions, engine: Engine | None = None):
        self.subject, self.options, self._engine = subject, options, engine
        self.total = Found(WorstElements(options.worst_count))
        self.axes = AxisSums(subject.shape)

    def add(self, start: int, pair: Pair) -> None:
        """Take in the elements from flat position `start` on."""
        engine = self._engine_for(pair)
        self.take(engine.measure(self.subject, self.options, start, pair, self.total.worst.floor))

    def add_all(self, pieces: Iterable[tuple[int, Pair]], pool: Executor, most: int) -> None:
        """Take in runs (flat position, elements) that are measured in a pool, at most `most` and one at a time.

        They are read here, one after another, and what is found in them is added up in their order.
        """
        waiting: deque[Future[Found]] = deque()
        for start, pair in pieces:
            measure = self._engine_for(pair).measure
            # The worst so far only save work: what comes out does not depend on how far the others have come.
            floor = self.total.worst.floor
            waiting.append(pool.submit(measure, self.subject, self.options, start, pair, floor))
            if len(waiting) > most:
                self.take(waiting.popleft().result())
        for found in waiting:
            self.take(found.result())

    def take(self, found: Found) -> None:
        """Take in what an engine found in one run."""
        self.total.merge(found)
        self.axes.add(found.windows)

    def merge(self, other: "Accumulator") -> None:
        """Take in what another accumulator took in; raises `IncompleteError` if its subject is another."""
        if other.subject != self.subject or other.options != self.options:
            where, got = self.options.name, f"part of {other.subject}"
            raise IncompleteError(where, got, f"part of {self.subject}", "merge parts of one comparison")
        self.total.merge(other.total)
        self.axes.merge(other.axes)

    def _engine_for(self, pair: Pair) -> Engine:
        if self._engine is None:
            self._engine = engine_for(pair.candidate.device, self.options)
        return self._engine
