"""Many mutated inputs in worker processes, each under a limit of memory and of time."""

import multiprocessing
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from random import Random

from fuzz.case import Outcome, Reader, Seed, judged, mutated

MEMORY_BYTES = 256 << 20
ADDRESS_BYTES = 2 << 30
SECONDS = 60.0
_START_SECONDS = 300.0


@dataclass(frozen=True)
class Finding:
    """One mutated input that was not treated as it must be."""

    reader: str
    number: int
    outcome: Outcome
    told: str


@dataclass
class Tally:
    """What became of the inputs of one reader; `peak` is the most memory that one took, `slowest` the longest time."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    peak: int = 0
    slowest: float = 0.0


@dataclass
class _Worker:
    process: multiprocessing.process.BaseProcess
    connection: Connection
    numbers: list[int]
    deadline: float
    at: int = 0


def fuzzed(readers: Sequence[str], counts: Sequence[int], seed: int, workers: int) -> dict[str, Tally]:
    """Run so many mutations of each reader's inputs, the same for the same seed; gives what became of them."""
    found: dict[str, Tally] = {}
    for name, count in zip(readers, counts, strict=True):
        found[name] = _of_reader(name, count, seed, workers)
    return found


def _of_reader(name: str, count: int, seed: int, workers: int) -> Tally:
    tally = Tally()
    active = [_started(name, seed, list(range(first, count, workers))) for first in range(min(workers, count))]
    while active:
        wait([worker.connection for worker in active], timeout=0.5)
        active = [left for worker in active for left in _followed(name, seed, worker, tally)]
    return tally


def _followed(name: str, seed: int, worker: _Worker, tally: Tally) -> Iterator[_Worker]:
    """Take in what a worker has told; gives it, or the one that goes on in its place, unless it is done."""
    try:
        while worker.connection.poll():
            number, outcome, told, peak, seconds = worker.connection.recv()
            worker.at, worker.deadline = worker.at + 1, time.monotonic() + SECONDS
            _count(tally, Finding(name, number, outcome, told))
            tally.peak, tally.slowest = max(tally.peak, peak), max(tally.slowest, seconds)
        lost = Outcome.HANG if time.monotonic() > worker.deadline else None
    except EOFError:
        lost = Outcome.CRASH
    if lost is None:
        yield worker
        return
    worker.process.kill()
    worker.process.join()
    left = worker.numbers[worker.at :]
    if left:
        _count(tally, Finding(name, left[0], lost, f"the process ended by {worker.process.exitcode}"))
        if left[1:]:
            yield _started(name, seed, left[1:])


def _count(tally: Tally, found: Finding) -> None:
    tally.counts[found.outcome] += 1
    if found.outcome not in (Outcome.REFUSED, Outcome.EQUAL, Outcome.OTHER):
        tally.findings.append(found)


def _started(name: str, seed: int, numbers: list[int]) -> _Worker:
    mine, theirs = multiprocessing.Pipe(duplex=False)
    # Forked: a worker that a reader killed is replaced at once, with everything imported.
    process = multiprocessing.get_context("fork").Process(target=_work, args=(name, seed, numbers, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, mine, numbers, time.monotonic() + _START_SECONDS)


def _work(name: str, seed: int, numbers: list[int], connection: Connection) -> None:
    from fuzz.readers import READERS

    reader = READERS[name]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        seeds = planted(reader, Path(folder))
        size = _status("VmSize")
        resource.setrlimit(resource.RLIMIT_AS, (size + ADDRESS_BYTES, size + ADDRESS_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for number in numbers:
            connection.send((number, *_measured(reader, seeds, seed, number)))
    connection.close()


def planted(reader: Reader, folder: Path) -> list[Seed]:
    """Write a reader's whole inputs, and read them."""
    found = []
    for path in reader.seeds(folder):
        raw = path.read_bytes()
        seed = Seed(raw, reader.read(path), path)
        assert reader.faithful(raw, seed.content), f"{reader.name}: {path.name} is not read as it is written"
        found.append(seed)
    return found


def case(reader: Reader, seeds: Sequence[Seed], seed: int, number: int) -> tuple[Seed, bytes, bool]:
    """Give the input of a number: what it is made from, its bytes, and whether it is a forgery."""
    random = Random(f"{seed}/{reader.name}/{number}")
    chosen = random.choice(seeds)
    return chosen, *mutated(reader, chosen.raw, random)


def _measured(reader: Reader, seeds: Sequence[Seed], seed: int, number: int) -> tuple[Outcome, str, int, float]:
    chosen, raw, forged = case(reader, seeds, seed, number)
    # Linux: from here on the peak counts anew.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before, began = _status("VmRSS"), time.monotonic()
    outcome, told = judged(reader, chosen, raw, forged)
    chosen.place.write_bytes(chosen.raw)
    peak = _status("VmHWM") - before
    if peak > MEMORY_BYTES and outcome in (Outcome.REFUSED, Outcome.EQUAL, Outcome.OTHER):
        outcome, told = Outcome.MEMORY, f"{peak >> 20} MiB"
    return outcome, told, peak, time.monotonic() - began


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
