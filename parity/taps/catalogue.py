"""The catalogue file: taps declared as rows, expanded over blocks and streams, filtered by what a pass does."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from parity.errors import BadInputError
from parity.taps.document import check_document
from parity.taps.plan import CallSite, TapPlan, TapPoint
from parity.taps.port import Port
from parity.taps.toml_file import read_toml

SCHEMA = 1
_ROW_KEYS = {"name", "when", "boundary", "output"}


@dataclass(frozen=True)
class Item:
    """One turn of a repeated section: what fills its placeholders, and the flags that hold in it.

    `nn` in `bind` is the number that reports show.
    """

    bind: Mapping[str, str]
    flags: frozenset[str] = frozenset()

    @staticmethod
    def numbered(word: str, count: int) -> tuple["Item", ...]:
        """Give `count` plain turns: `{word}` is the number, `{nn}` the number in two digits."""
        return tuple(Item({word: str(index), "nn": f"{index:02d}"}) for index in range(count))


Repeats = Mapping[str, Sequence[Item]]
_NOTHING_ELSE = Item({})


class Catalogue:
    """The declared taps of one stage.

    A file has `schema`, `stage`, `implementations`; `[[section]]`s, each with `[[section.group]]`s of `rows`
    (or a named `[template.X]` of rows) and bindings `each`; a section with `repeat = "block"` is laid out once
    for each item that the binding gives for that word, one of the list `repeats`. `[[function]]`s declare functions
    to watch. `when` lists flags that must hold (`!flag`: must not), as the binding reports them for a pass and an
    item; with a list `flags`, any other is an error. `fallback` names, for an implementation, another whose port a
    row takes where it gives none of its own.
    """

    def __init__(self, document: Mapping[str, Any], where: str):
        self._where = where
        if document.get("schema") != SCHEMA:
            raise BadInputError(
                where, f"schema {document.get('schema')!r}", f"{SCHEMA}", "use a catalogue of this version"
            )
        check_document(document, where)
        self._document = document
        self.stage: str = self._get("stage")
        self._flags: frozenset[str] | None = frozenset(document["flags"]) if "flags" in document else None
        self.implementations: tuple[str, ...] = tuple(self._get("implementations"))
        self._fallback: Mapping[str, str] = document.get("fallback", {})

    @staticmethod
    def load(path: Path) -> "Catalogue":
        """Read a catalogue file; BadInputError where it is missing or malformed."""
        return Catalogue(read_toml(path, "catalogue file"), path.name)

    def expand(self, scope: str, flags: frozenset[str] = frozenset(), repeats: Repeats | None = None) -> TapPlan:
        """Lay the taps out for one pass.

        `scope` goes between stage and tap, for example `step03.pass_stg`; `flags` hold throughout the pass, those
        of an item of `repeats` within it as well.
        """
        prefix, turns = ".".join(part for part in (self.stage, scope) if part), repeats or {}
        taps = tuple(self._taps(prefix, flags, turns))
        names = [tap.name for tap in taps]
        doubles = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if doubles:
            raise BadInputError(
                f"{self._where}: {doubles[0]}",
                "declared twice for one pass",
                "each name once",
                "tell the rows apart, or exclude one by `when`",
            )
        sites = {name: tuple(self._call_sites(name, flags, turns)) for name in self.implementations}
        return TapPlan(taps, sites)

    def _turns(self, owner: Mapping[str, Any], repeats: Repeats) -> Sequence[Item]:
        word = owner.get("repeat")
        if word is None:
            return (_NOTHING_ELSE,)
        if word not in repeats:
            expected = f"one of {', '.join(repeats) or 'none'}"
            raise BadInputError(f"{self._where}: repeat = {word!r}", "nothing to repeat", expected, "correct it")
        return repeats[word]

    def _taps(self, prefix: str, flags: frozenset[str], repeats: Repeats) -> Iterator[TapPoint]:
        for section in self._get("section"):
            for item in self._turns(section, repeats):
                active = flags | item.flags
                part = f"{section['repeat']}{item.bind['nn']}" if "repeat" in section else section["name"]
                for row, binding in self._rows(section, item):
                    if self._holds(row.get("when", ()), active, binding):
                        yield self._tap(row, binding, prefix, f"{self.stage}.{part}")

    def _rows(self, section: Mapping[str, Any], item: Item) -> Iterator[tuple[Mapping[str, Any], Mapping[str, str]]]:
        index = self._index(item)
        for group in section["group"]:
            rows = group["rows"] if "rows" in group else self._get("template")[group["template"]]["rows"]
            for each in group.get("each", [{}]):
                for row in rows:
                    shared = [*group.get("when", ()), *each.get("when", ()), *row.get("when", ())]
                    bound = {key: self._fill(value, index) for key, value in each.items() if key != "when"}
                    yield {**row, "when": shared}, {**index, **bound}

    def _index(self, item: Item) -> dict[str, str]:
        short: Mapping[str, str] = self._document.get("bind", {})
        # A short name of something repeated means nothing outside of it.
        usable = {key: text for key, text in short.items() if _placeholders(text) <= item.bind.keys()}
        return {**item.bind, **{key: self._fill(text, item.bind) for key, text in usable.items()}}

    def _tap(self, row: Mapping[str, Any], binding: Mapping[str, str], prefix: str, group: str) -> TapPoint:
        unknown = row.keys() - _ROW_KEYS - set(self.implementations)
        missing = {"name", *self.implementations} - self._fallback.keys() - row.keys()
        if unknown or missing:
            raise BadInputError(
                f"{self._where}: row {row.get('name')!r}",
                f"unknown keys {sorted(unknown)}, missing keys {sorted(missing)}",
                f"name, {', '.join(self.implementations)} and optionally when, boundary, output",
                "correct the row",
            )
        written = {name: row.get(name, row.get(self._fallback.get(name, name))) for name in self.implementations}
        ports = {name: Port.parse(self._fill(text, binding)) for name, text in written.items()}
        return TapPoint(
            f"{prefix}.{self._fill(row['name'], binding)}",
            group,
            ports,
            bool(row.get("boundary")),
            bool(row.get("output")),
        )

    def _call_sites(self, implementation: str, flags: frozenset[str], repeats: Repeats) -> Iterator[CallSite]:
        for function in self._document.get("function", []):
            named = function["implementation"]
            if implementation not in ([named] if isinstance(named, str) else named):
                continue
            calls: dict[str, tuple[str, ...]] = {}
            for site in function["site"]:
                for each in site.get("each", [{}]):
                    for item in self._turns(site, repeats):
                        active, binding = flags | item.flags, {**each, **self._index(item)}
                        if self._holds(site.get("when", ()), active, binding):
                            calls[self._fill(site["within"], binding)] = self._calls(site, each, active, binding)
            yield CallSite(function["name"], function["target"], calls)

    def _calls(
        self, site: Mapping[str, Any], each: Mapping[str, Any], active: frozenset[str], binding: Mapping[str, str]
    ) -> tuple[str, ...]:
        return tuple(
            call["name"]
            for call in site["calls"]
            if self._holds([*each.get("when", ()), *call.get("when", ())], active, binding)
        )

    def _fill(self, text: str, binding: Mapping[str, str]) -> str:
        try:
            return text.format_map(binding)
        except KeyError as error:
            raise BadInputError(
                f"{self._where}: {text!r}", f"nothing is bound to {error}", "a binding in `each`", "add it"
            ) from error
        except (ValueError, AttributeError, IndexError) as error:
            raise BadInputError(f"{self._where}: {text!r}", str(error), "{name} placeholders", "correct it") from error

    def _holds(self, conditions: Iterable[str], active: frozenset[str], binding: Mapping[str, str]) -> bool:
        for condition in conditions:
            flag = self._fill(condition, binding)
            if self._flags is not None and flag.removeprefix("!") not in self._flags:
                raise BadInputError(
                    f"{self._where}: condition {flag!r}",
                    "no such flag",
                    f"one of {', '.join(sorted(self._flags))}",
                    "correct it, or add the flag to `flags`",
                )
            if (flag[1:] in active) if flag.startswith("!") else (flag not in active):
                return False
        return True

    def _get(self, key: str) -> Any:
        if key not in self._document:
            raise BadInputError(self._where, f"no {key!r}", "a whole catalogue", "add it")
        return self._document[key]


def _placeholders(text: str) -> set[str]:
    return {name.partition(".")[0] for _, name, _, _ in Formatter().parse(text) if name}
