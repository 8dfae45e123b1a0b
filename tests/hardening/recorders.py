"""Processes that write, each in a way of its own, and what tells a whole file from a part of one."""

import itertools
import multiprocessing
import os
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from ltx_port.errors import InputError
from ltx_port.pipeline.hidden_states import save_hidden_states
from ltx_port.text import PromptStates
from parity.errors import ParityError
from parity.metrics import fingerprints
from parity.report import read_report, write_report
from parity.run.record import RunResult
from parity.run.statistics import Statistics, read_statistics, write_statistics
from parity.store import Dump, DumpWriter, Manifest

FORKSERVER = multiprocessing.get_context("forkserver")
# All that is imported here, so that a process begins at once: a server of Python 3.11 does not find this file.
FORKSERVER.set_forkserver_preload(
    [
        "ltx_port.pipeline.hidden_states",
        "parity.metrics.compiled.fingerprints",
        "parity.report",
        "parity.run.statistics",
    ]
)
NOBODY = 65534
_PROVENANCE = "filler"


def manifest(number: int, taps: int = 0) -> Manifest:
    return Manifest(
        producer="port", release="1.0.0", commit=None, case="tiny", checkpoint_sha256="a" * 64, input_sha256={},
        torch_version="2.13.0", device="cpu", determinism={}, seed=number, dtype="bfloat16", command="record",
        created="2026-01-02T03:04:05+00:00", sizes={}, tap_count=taps,
    )  # fmt: skip


def _dump(path: Path, number: int) -> None:
    with DumpWriter(path) as writer:
        writer.set_manifest(manifest(number))
        for tap in range(4):
            writer.write(f"tap.{tap}", torch.arange(4096) + number * 10_000 + tap)


def _dumped(path: Path) -> int:
    with Dump.open(path) as dump:
        dump.verify()
        number = dump.manifest.seed
        assert [int(dump.read(f"tap.{tap}")[0]) for tap in range(4)] == [number * 10_000 + tap for tap in range(4)]
        return number


def _statistics(path: Path, number: int) -> None:
    taken = fingerprints()
    for tap in range(4):
        taken.add(f"tap.{tap}", torch.arange(64.0) + number)
    taps = taken.finish()
    write_statistics(Statistics(manifest(number, len(taps)), taps), path)


def _report(path: Path, number: int) -> None:
    write_report(RunResult((), {"number": str(number), _PROVENANCE: "x" * 40_000}), path)


def _states(path: Path, number: int) -> None:
    states = PromptStates((torch.full((1, 128, 40), float(number)),), torch.ones(1, 128, dtype=torch.int64))
    save_hidden_states(path, {"prompt": states})


def _stated(path: Path) -> int:
    from ltx_port.pipeline.hidden_states import HiddenStatesFile

    return int(HiddenStatesFile.open(path).read("prompt.states", "cpu")[0, -1, -1])


# name: how it is written with a number in it, and how that number is read of a whole file
KINDS: dict[str, tuple[Callable[[Path, int], None], Callable[[Path], int]]] = {
    "dump.h5": (_dump, _dumped),
    "dump.safetensors": (_dump, _dumped),
    "statistics.json": (_statistics, lambda path: read_statistics(path).manifest.seed),
    "run.json": (_report, lambda path: int(read_report(path).provenance["number"])),
    "states.safetensors": (_states, _stated),
}


def write_on_and_on(path: Path, told: Connection) -> None:
    """Write one whole file after another, and tell each number once it is there."""
    torch.set_num_threads(1)
    write = KINDS[path.name][0]
    for number in itertools.count():
        write(path, number)
        told.send(number)


def write_against_another(path: Path, rounds: int, told: Connection) -> None:
    """Write so many times; tell each number that got there, and each refusal."""
    torch.set_num_threads(1)
    for number in range(rounds):
        try:
            KINDS[path.name][0](path, number)
            told.send(number)
        except ParityError as error:
            told.send(str(error))
    told.send(None)


def write_with_limits(path: Path, most_bytes: int | None, user: int | None, told: Connection) -> None:
    """Write number 2 where a file may have so many bytes at most, or as another user, and tell what happened."""
    torch.set_num_threads(1)
    if most_bytes is not None:
        # Python ignores the signal, so that a write beyond it fails as on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    if user is not None:
        os.setuid(user)
    try:
        KINDS[path.name][0](path, 2)
    except (ParityError, InputError) as error:
        told.send(str(error))
    else:
        told.send(None)


def started(target: Callable[..., None], *arguments: object):
    """Start a process; gives it, and the end of the pipe that it tells something on."""
    mine, theirs = FORKSERVER.Pipe(duplex=False)
    process = FORKSERVER.Process(target=target, args=(*arguments, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, mine


def all_told(connection: Connection) -> list[object]:
    """Give what a process told, until it ended or told None."""
    found = []
    try:
        while True:
            found.append(connection.recv())
            if found[-1] is None:
                return found[:-1]
    except EOFError:
        return found
