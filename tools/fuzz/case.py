"""What a reader is to the fuzzer, and how one mutated input is judged."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any

from fuzz import content
from fuzz.content import Mutation
from ltx_port.errors import InputError
from parity.errors import ParityError

Refusal = (ParityError, InputError)


class Outcome(Enum):
    """What became of one mutated input; the first three are as it must be."""

    REFUSED = "refused"
    EQUAL = "equal"
    OTHER = "other"
    WRONG = "wrong pass"
    CRASH = "crash"
    LINES = "not one line"
    HANG = "hang"
    MEMORY = "memory"


GOOD = (Outcome.REFUSED, Outcome.EQUAL, Outcome.OTHER)


@dataclass(frozen=True)
class Reader:
    """Something that reads a file.

    `seeds` writes whole inputs into a folder. `read` gives everything that the reader made of a file, comparable;
    `faithful` says by other means whether that is what the file's bytes say. `sealed`: a hash in the file vouches for
    the rest, so that another content must never be read, unless the mutation is one of `forgeries`, which compute the
    hash anew. `command` is a command line that reads the file too.
    """

    name: str
    seeds: Callable[[Path], list[Path]]
    mutations: tuple[Mutation, ...]
    read: Callable[[Path], Any]
    faithful: Callable[[bytes, Any], bool]
    sealed: bool = False
    forgeries: tuple[Mutation, ...] = ()
    command: Callable[[Path], tuple[Callable[[list[str]], int], list[str]]] | None = None


@dataclass(frozen=True)
class Seed:
    """A whole input: its bytes, what is read of it, and where mutations of it are put."""

    raw: bytes
    content: Any
    place: Path


def mutated(reader: Reader, raw: bytes, random: Random) -> tuple[bytes, bool]:
    """Give a mutation of a whole input, and whether it is a forgery; a second one is laid over some."""
    chosen = random.choice((*reader.mutations, *reader.forgeries))
    made = chosen(random, raw)
    if random.random() < 0.1:
        made = random.choice(content.ANY_BYTES)(random, made)
    return made, chosen in reader.forgeries


def judged(reader: Reader, seed: Seed, raw: bytes, forged: bool) -> tuple[Outcome, str]:
    """Let a reader read a mutated input; gives what became of it, and a line that says so."""
    seed.place.write_bytes(raw)
    outcome, told = _read(reader, seed, raw, forged)
    if reader.command is not None and outcome in GOOD:
        return _commanded(reader, seed.place, outcome, told)
    return outcome, told


def _read(reader: Reader, seed: Seed, raw: bytes, forged: bool) -> tuple[Outcome, str]:
    try:
        found = reader.read(seed.place)
    except Refusal as error:
        told = str(error)
        if "MemoryError" in told:
            return Outcome.MEMORY, told
        return (Outcome.REFUSED if _one_line(told) else Outcome.LINES), told
    except BaseException as error:  # whatever it is, it is what is looked for; also a panic of Rust
        return Outcome.CRASH, _told(error)
    if not reader.faithful(raw, found):
        return Outcome.WRONG, "read is not what is written"
    if found == seed.content:
        return Outcome.EQUAL, ""
    if reader.sealed and not forged:
        return Outcome.WRONG, "another content under an old hash"
    return Outcome.OTHER, ""


def _commanded(reader: Reader, place: Path, outcome: Outcome, told: str) -> tuple[Outcome, str]:
    assert reader.command is not None
    main, words = reader.command(place)
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(words)
    except BaseException as error:
        return Outcome.CRASH, f"command: {_told(error)}"
    lines = err.getvalue().splitlines()
    if outcome is Outcome.REFUSED and code not in (2, 3):
        return Outcome.WRONG, f"exit {code} for: {told}"
    if code in (2, 3) and not out.getvalue() and (len(lines) != 1 or not _one_line(lines[0])):
        return Outcome.LINES, repr(err.getvalue())[:300]
    return outcome, told


def _one_line(text: str) -> bool:
    return len(text.splitlines()) == 1 and text.isprintable() and len(text) < 2500


def _told(error: BaseException) -> str:
    import traceback

    frames = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return f"{type(error).__name__}: {str(error)[:160]!r} at {' < '.join(frames[:-6:-1])}"
