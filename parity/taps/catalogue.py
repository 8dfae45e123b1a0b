"""The catalogue file: taps declared as rows, expanded over blocks and streams, filtered by what a pass does."""

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from parity.errors import BadInputError
from parity.taps.document import check_document
from parity.taps.plan import CallSite, TapPlan, TapPoint
from parity.taps.port import Port

SCHEMA = 1
Flags = Callable[[int | None], frozenset[str]]
_ROW_KEYS = {"name", "when", "boundary", "output"}


class Catalogue:
    """The declared taps of one stage.

    A file has `schema`, `stage`, `implementations`; `[[section]]`s, each with `[[section.group]]`s of `rows`
    (or a named `[template.X]` of rows) and bindings `each`; a section with `repeat = "block"` is laid out once
    for each block. `[[function]]`s declare functions to watch. `when` lists flags that must hold (`!flag`: must
    not), as the binding reports them for a block of a pass; with a list `flags`, any other is an error.
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

    @staticmethod
    def load(path: Path) -> "Catalogue":
        """Read a catalogue file; BadInputError where it is missing or malformed."""
        try:
            return Catalogue(tomllib.loads(path.read_text(encoding="utf-8")), path.name)
        except OSError as error:
            raise BadInputError(
                str(path), error.strerror or "unreadable", "a catalogue file", "check the path"
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadInputError(str(path), f"not TOML ({error})", "a catalogue file", "correct it") from error

    def expand(self, scope: str, blocks: int, flags: Flags) -> TapPlan:
        """Lay the taps out for one pass of a model with that many blocks.

        `scope` goes between stage and tap, for example `step03.pass_stg`; `flags(block)` says what holds in a
        block (None: outside the blocks).
        """
        prefix = ".".join(part for part in (self.stage, scope) if part)
        taps = tuple(self._taps(prefix, blocks, flags))
        names = [tap.name for tap in taps]
        doubles = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if doubles:
            raise BadInputError(
                f"{self._where}: {doubles[0]}",
                "declared twice for one pass",
                "each name once",
                "tell the rows apart, or exclude one by `when`",
            )
        sites = {name: tuple(self._call_sites(name, blocks, flags)) for name in self.implementations}
        return TapPlan(taps, sites)

    def _taps(self, prefix: str, blocks: int, flags: Flags) -> Iterator[TapPoint]:
        for section in self._get("section"):
            repeated = section.get("repeat") == "block"
            for block in range(blocks) if repeated else (None,):
                active = flags(block)
                group = f"{self.stage}.block{block:02d}" if block is not None else f"{self.stage}.{section['name']}"
                for row, binding in self._rows(section, block):
                    if self._holds(row.get("when", ()), active, binding):
                        yield self._tap(row, binding, prefix, group)

    def _rows(
        self, section: Mapping[str, Any], block: int | None
    ) -> Iterator[tuple[Mapping[str, Any], Mapping[str, str]]]:
        index = self._index(block)
        for group in section["group"]:
            rows = group["rows"] if "rows" in group else self._get("template")[group["template"]]["rows"]
            for each in group.get("each", [{}]):
                for row in rows:
                    shared = [*group.get("when", ()), *each.get("when", ()), *row.get("when", ())]
                    bound = {key: self._fill(value, index) for key, value in each.items() if key != "when"}
                    yield {**row, "when": shared}, {**index, **bound}

    def _index(self, block: int | None) -> dict[str, str]:
        index = {} if block is None else {"block": str(block), "nn": f"{block:02d}"}
        short: Mapping[str, str] = self._document.get("bind", {})
        usable = {k: text for k, text in short.items() if index or not ("{block" in text or "{nn" in text)}
        return {**index, **{key: self._fill(text, index) for key, text in usable.items()}}

    def _tap(self, row: Mapping[str, Any], binding: Mapping[str, str], prefix: str, group: str) -> TapPoint:
        unknown = row.keys() - _ROW_KEYS - set(self.implementations)
        missing = {"name", *self.implementations} - row.keys()
        if unknown or missing:
            raise BadInputError(
                f"{self._where}: row {row.get('name')!r}",
                f"unknown keys {sorted(unknown)}, missing keys {sorted(missing)}",
                f"name, {', '.join(self.implementations)} and optionally when, boundary, output",
                "correct the row",
            )
        ports = {name: Port.parse(self._fill(row[name], binding)) for name in self.implementations}
        return TapPoint(
            f"{prefix}.{self._fill(row['name'], binding)}",
            group,
            ports,
            bool(row.get("boundary")),
            bool(row.get("output")),
        )

    def _call_sites(self, implementation: str, blocks: int, flags: Flags) -> Iterator[CallSite]:
        for function in self._document.get("function", []):
            if function["implementation"] != implementation:
                continue
            calls: dict[str, tuple[str, ...]] = {}
            for site in function["site"]:
                for each in site.get("each", [{}]):
                    for block in range(blocks) if site.get("repeat") == "block" else (None,):
                        active, binding = flags(block), {**each, **self._index(block)}
                        within = self._fill(site["within"], binding)
                        calls[within] = tuple(
                            call["name"]
                            for call in site["calls"]
                            if self._holds([*each.get("when", ()), *call.get("when", ())], active, binding)
                        )
            yield CallSite(function["name"], function["target"], calls)

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
