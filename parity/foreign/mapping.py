"""The mapping file: which tensors of a foreign port, through which steps, are which declared taps.

docs/MAPPING.md has the grammar. A file is strict: an unknown key or a value of another type is an error.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import BadInputError
from parity.foreign.grammar import read_steps
from parity.foreign.names import Plain, Value, combinations, fill, words_of
from parity.foreign.steps import Affine, Cast, Join, Step
from parity.taps.toml_file import read_toml

SCHEMA = 1
HIGH = 0.95
"""From this confidence on a proposed entry counts as certain."""
_TOP_KEYS = {"schema", "unsigned", "covers", "each", "skip", "ignore", "tap"}
_ENTRY_KEYS = {"tap", "from", "steps", "each", "shared", "confidence", "note"}
# Taps of all entries together, 100 MB of them: a slip of the pen must not fill the memory.
_MOST_ENTRIES = 200_000

Each = Mapping[str, Sequence[Value]]


@dataclass(frozen=True)
class Source:
    """One foreign tensor, and what is done to it before it meets others."""

    name: str
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Entry:
    """One tap and what it is made of.

    `shared` is the reason why it may read elements that another entry reads as well, `confidence` what a proposal was
    given; `at` says where the file has it.
    """

    tap: str
    sources: tuple[Source, ...]
    steps: tuple[Step, ...]
    at: str
    shared: str | None = None
    confidence: float | None = None

    @property
    def changing(self) -> tuple[Step, ...]:
        """The steps that change values and not only places."""
        every = (*(step for source in self.sources for step in source.steps), *self.steps)
        return tuple(step for step in every if isinstance(step, Cast | Affine))


@dataclass(frozen=True)
class Exemption:
    """Names, by pattern, that are left out, and why."""

    patterns: tuple[str, ...]
    reason: str
    at: str


@dataclass(frozen=True)
class TapMapping:
    """A mapping file, laid out: one entry for each tap.

    `covers` are patterns of the taps that the port shows, `skipped` some of those that it does not, `ignored` foreign
    tensors (or what is left of them) that are no tap. `unsigned` is the reason why the foreign file may lack the
    identity of the inputs that it was computed from.
    """

    where: str
    entries: tuple[Entry, ...]
    covers: tuple[str, ...] = ("*",)
    skipped: tuple[Exemption, ...] = ()
    ignored: tuple[Exemption, ...] = ()
    unsigned: str | None = None

    @staticmethod
    def load(path: Path) -> "TapMapping":
        """Read a mapping file; BadInputError in one line where it is missing or malformed."""
        return TapMapping.read(read_toml(path, "mapping file"), path.name)

    @staticmethod
    def read(document: Mapping[str, Any], where: str) -> "TapMapping":
        """Read what a mapping file says."""
        if type(document.get("schema")) is not int or document["schema"] != SCHEMA:
            got = f"schema {document.get('schema')!r:.60}"
            raise BadInputError(where, got, str(SCHEMA), "use a mapping file of this version")
        _keys(document, where, _TOP_KEYS, {"schema", "tap"})
        each = _each(document.get("each", {}), f"{where}: each")
        entries: list[Entry] = []
        for number, table in enumerate(_tables(document, "tap", where)):
            entries += _entries(table, f"{where}: entry {number + 1}", each, _MOST_ENTRIES - len(entries))
        return TapMapping(
            where,
            tuple(entries),
            _texts(document.get("covers", ["*"]), f"{where}: covers"),
            _exemptions(document, "skip", "taps", where),
            _exemptions(document, "ignore", "from", where),
            None if "unsigned" not in document else _reason(document, "unsigned", where),
        )

    @property
    def told(self) -> str:
        """Say in a few words what the mapping does, for a report."""
        changing = [step for entry in self.entries for step in entry.changing]
        unsure = sum(entry.confidence is not None and entry.confidence < HIGH for entry in self.entries)
        parts = [f"{self.where}: {len(self.entries)} taps"]
        counts = {
            "exact casts": sum(isinstance(step, Cast) and step.rounding is None for step in changing),
            "rounding casts": sum(isinstance(step, Cast) and step.rounding is not None for step in changing),
            "scaled or shifted": sum(isinstance(step, Affine) for step in changing),
            "that read what others read": sum(entry.shared is not None for entry in self.entries),
            f"proposed with a confidence below {HIGH}": unsure,
        }
        return ", ".join([*parts, *(f"{count} {what}" for what, count in counts.items() if count)])


def _entries(table: Mapping[str, Any], at: str, each: Each, most: int) -> Iterator[Entry]:
    _keys(table, at, _ENTRY_KEYS, {"tap", "from"})
    tap = _text(table["tap"], f"{at}: tap")
    written = _sources(table["from"], at)
    steps = read_steps(table.get("steps", []), at)
    _require_joined(written, steps, at)
    shared = None if "shared" not in table else _reason(table, "shared", at)
    confidence = None if "confidence" not in table else _share(table["confidence"], at)
    if "note" in table:
        _text(table["note"], f"{at}: note")
    own = {**each, **_each(table.get("each", {}), f"{at}: each")}
    words = words_of(tap, at).union(*(words_of(source.name, at) for source in written))
    unknown = sorted(words - own.keys())
    if unknown:
        raise BadInputError(at, f"no values for {{{unknown[0]}}}", "every word in [each]", "add it")
    if math.prod(len(own[word]) for word in words) > most:
        raise BadInputError(at, f"more than {_MOST_ENTRIES:,} taps in all", "fewer", "correct the placeholders")
    for values in combinations(words, own):
        sources = tuple(Source(fill(source.name, values, at), source.steps) for source in written)
        yield Entry(fill(tap, values, at), sources, steps, at, shared, confidence)


def _sources(value: Any, at: str) -> tuple[Source, ...]:
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise BadInputError(at, "from = []", "a tensor or several", "name one")
    found = []
    for one in listed:
        if isinstance(one, dict):
            _keys(one, f"{at}: from", {"name", "steps"}, {"name"})
            found.append(Source(_text(one["name"], f"{at}: from"), read_steps(one.get("steps", []), f"{at}: from")))
        else:
            found.append(Source(_text(one, f"{at}: from")))
    return tuple(found)


def _require_joined(sources: Sequence[Source], steps: Sequence[Step], at: str) -> None:
    joins = sum(isinstance(step, Join) for step in steps)
    if any(isinstance(step, Join) for source in sources for step in source.steps):
        raise BadInputError(
            at, "a join among the steps of one tensor", "concat or stack in the entry's steps", "move it"
        )
    if joins != (len(sources) > 1):
        expected = "one concat or stack for several tensors, none for one"
        raise BadInputError(at, f"{joins} joins of {len(sources)} tensors", expected, "correct the entry")


def _exemptions(document: Mapping[str, Any], key: str, patterns: str, where: str) -> tuple[Exemption, ...]:
    found = []
    for number, table in enumerate(_tables(document, key, where)):
        at = f"{where}: {key} {number + 1}"
        _keys(table, at, {patterns, "reason"}, {patterns, "reason"})
        found.append(Exemption(_texts(table[patterns], f"{at}: {patterns}"), _reason(table, "reason", at), at))
    return tuple(found)


def _each(value: Any, at: str) -> dict[str, Sequence[Value]]:
    if not isinstance(value, dict):
        raise BadInputError(at, f"{value!r:.60}", "a table of words", "correct it")
    return {word: _values(values, f"{at}: {word}") for word, values in value.items()}


def _values(value: Any, at: str) -> Sequence[Value]:
    if isinstance(value, dict):
        _keys(value, at, {"first", "last"}, {"first", "last"})
        first, last = value["first"], value["last"]
        if type(first) is not int or type(last) is not int or not 0 <= first <= last < first + _MOST_ENTRIES:
            raise BadInputError(at, f"{value!r:.60}", "whole numbers, first not above last", "correct it")
        return range(first, last + 1)
    if not isinstance(value, list) or not value:
        raise BadInputError(at, f"{value!r:.60}", "different numbers, texts or tables, or {first, last}", "correct it")
    if all(isinstance(item, dict) for item in value):
        return tuple(_fields(item, value[0].keys(), at) for item in value)
    for item in value:
        _plain(item, at)
    if len(set(value)) < len(value):
        raise BadInputError(at, f"{value!r:.60}", "each value once", "correct it")
    return tuple(value)


def _fields(table: dict[str, Any], keys: Iterable[str], at: str) -> dict[str, Plain]:
    if not table or table.keys() != set(keys):
        raise BadInputError(at, f"{table!r:.60}", "tables of the same keys", "correct it")
    return {key: _plain(value, f"{at}.{key}") for key, value in table.items()}


def _plain(value: Any, at: str) -> Plain:
    if type(value) not in (int, str) or (type(value) is int and value < 0):
        raise BadInputError(at, f"{value!r:.60}", "a number from 0 up, or a text", "correct it")
    return value


def _tables(owner: Mapping[str, Any], key: str, at: str) -> list[dict[str, Any]]:
    found = owner.get(key, [])
    if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
        raise BadInputError(at, f"{key} = {found!r:.60}", f"tables [[{key}]]", "correct it")
    return found


def _keys(table: Mapping[str, Any], at: str, known: set[str], needed: set[str]) -> None:
    unknown, missing = sorted(table.keys() - known), sorted(needed - table.keys())
    if unknown or missing:
        got = f"unknown keys {unknown!r:.80}, missing keys {missing}"
        raise BadInputError(at, got, f"{', '.join(sorted(known))}", "correct it")


def _text(value: Any, at: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadInputError(at, f"{value!r:.60}", "a text", "correct it")
    return value


def _reason(table: Mapping[str, Any], key: str, at: str) -> str:
    value = table[key]
    if not isinstance(value, str) or not value.strip():
        raise BadInputError(at, f"{key} = {value!r:.60}", "a reason in words", "say why")
    return value


def _texts(value: Any, at: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not listed or not all(isinstance(item, str) and item for item in listed):
        raise BadInputError(at, f"{value!r:.60}", "a pattern, or a list of them", "correct it")
    return tuple(listed)


def _share(value: Any, at: str) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise BadInputError(at, f"confidence = {value!r:.60}", "a number from 0 to 1", "correct it")
    return float(value)
