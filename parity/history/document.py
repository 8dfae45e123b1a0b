"""A run in brief as JSON, and back; small enough to keep hundreds."""

import gzip
import zlib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from parity.errors import ExitCode
from parity.history.brief import Brief, Key, Pass, Stand
from parity.judge import Verdict
from parity.report.strict import Fields, each, items, json_number, mapping, number, refusal, shown, text, whole
from parity.store import seal, strict_json

SCHEMA = "ltx-parity/brief/2"
# A brief of the full suite is 1.7 MB of JSON, and 0.2 MB packed.
LARGEST = 64 << 20
# The highest level takes six times as long for a fiftieth less.
_LEVEL = 6
_KEYS = ("schema", "when", "verdict", "exit_code", "provenance", "modes", "taps", "passes", "incomplete")
_PASS = ("suite", "case", "dtype", "forward", "readings")
_MEASURED = ("tap", "mode", "verdict", "error", "usage")
_VERDICTS = tuple(verdict.value for verdict in Verdict)
Name = TypeVar("Name", bound=Hashable)
_EXACT = Stand(Verdict.IDENTICAL.value, 0.0, 0.0)


def packed(brief: Brief, where: str = "brief") -> bytes:
    """Give a brief as gzipped JSON, the same bytes for the same brief; BadInputError where it has no exact form."""
    return gzip.compress(seal.encoded(to_document(brief), where), _LEVEL, mtime=0)


def unpacked(raw: bytes, where: str) -> Brief:
    """Read what `packed` gave; BadInputError for anything else, however large it would become."""
    opened = zlib.decompressobj(wbits=31)
    try:
        plain = opened.decompress(raw, LARGEST)
    except zlib.error as error:
        raise refusal(where, f"not a packed brief ({error})", f"what {SCHEMA} packs") from error
    if not opened.eof or opened.unused_data:
        raise refusal(where, "cut short, too large, or more than one", f"one whole {SCHEMA}")
    value = strict_json.decode(where, plain)
    brief = from_document(seal.unsealed(value), where)
    seal.require_seal(value, where, "keep the run again")
    return brief


def to_document(brief: Brief) -> dict[str, Any]:
    """Give the JSON value of a brief: a reading that is identical without an error is named alone."""
    homes = _positions([*(key.home for key in brief.stands), *(home for home, _ in brief.incomplete)])
    # By pass, as they are read: the tables have the order in which a reader meets their entries.
    ordered = sorted(brief.stands.items(), key=lambda one: homes[one[0].home])
    modes, taps = _positions(key.mode for key, _ in ordered), _positions(key.tap for key, _ in ordered)
    readings: list[list[list[object]]] = [[] for _ in homes]
    for key, stand in ordered:
        row: list[object] = [taps[key.tap], modes[key.mode]]
        if stand != _EXACT:
            row += [_VERDICTS.index(stand.verdict), json_number(stand.error), json_number(stand.usage)]
        readings[homes[key.home]].append(row)
    return {
        "schema": SCHEMA,
        "when": brief.when,
        "verdict": brief.verdict_line,
        "exit_code": int(brief.exit_code),
        "provenance": dict(brief.provenance),
        "modes": list(modes),
        "taps": list(taps),
        "passes": [
            [home.suite, home.case, home.dtype, home.forward, rows] for home, rows in zip(homes, readings, strict=True)
        ],
        "incomplete": [[homes[home], reason] for home, reason in brief.incomplete],
    }


def from_document(value: object, where: str = "brief") -> Brief:
    """Read what `to_document` gave; BadInputError for anything else."""
    if isinstance(value, dict) and value.get("schema") != SCHEMA:
        raise refusal(where, f"schema {shown(value.get('schema'))}", repr(SCHEMA))
    top = Fields.of_object(value, where, _KEYS)
    names = tuple(top.read(key, lambda v, w: each(v, w, text)) for key in ("taps", "modes"))
    stands: dict[Key, Stand] = {}
    homes = top.read("passes", lambda v, w: each(v, w, lambda a, b: _read_pass(a, b, names, stands)))
    incomplete = top.read("incomplete", lambda v, w: each(v, w, lambda a, b: _reason(a, b, homes)))
    _require_first_use(names, homes, stands, incomplete, where)
    return Brief(
        when=top.read("when", text),
        verdict_line=top.read("verdict", text),
        exit_code=top.read("exit_code", _exit_code),
        provenance=top.read("provenance", lambda v, w: mapping(v, w, text)),
        stands=stands,
        incomplete=incomplete,
    )


def _require_first_use(
    names: tuple[tuple[str, ...], ...],
    homes: tuple[Pass, ...],
    stands: Mapping[Key, Stand],
    incomplete: Iterable[tuple[Pass, str]],
    where: str,
) -> None:
    """Refuse tables that `to_document` would not write: with entries twice, unused, or in another order."""
    used = [*(key.home for key in stands), *(home for home, _ in incomplete)]
    tables: Mapping[str, tuple[Sequence[object], Iterable[object]]] = {
        "taps": (names[0], (key.tap for key in stands)),
        "modes": (names[1], (key.mode for key in stands)),
        "passes": (homes, used),
    }
    for name, (table, of_readings) in tables.items():
        if list(table) != list(dict.fromkeys(of_readings)):
            raise refusal(f"{where}.{name}", "entries twice, unused, or in another order", "each once, as first used")


def _read_pass(value: object, where: str, names: tuple[tuple[str, ...], ...], stands: dict[Key, Stand]) -> Pass:
    parts = Fields.of_row(value, where, _PASS)
    home = Pass(*(parts.read(key, text) for key in _PASS[:-1]))
    for at, one in enumerate(parts.read("readings", items)):
        identical = len(items(one, f"{where}[{at}]")) == len(_MEASURED[:2])
        row = Fields.of_row(one, f"{where}[{at}]", _MEASURED[:2] if identical else _MEASURED)
        key = Key(home, row.pick("tap", names[0]), row.pick("mode", names[1]))
        if key in stands:
            raise refusal(row.where, f"{key.tap!r:.80} ({key.mode!r:.40}) twice", "each reading once")
        stands[key] = _EXACT if identical else _stand(row)
        if not identical and stands[key] == _EXACT:
            raise refusal(row.where, "an identical reading with figures", "one named alone")
    return home


def _reason(value: object, where: str, homes: tuple[Pass, ...]) -> tuple[Pass, str]:
    row = Fields.of_row(value, where, ("pass", "reason"))
    return row.pick("pass", homes), row.read("reason", text)


def _stand(row: Fields) -> Stand:
    return Stand(row.pick("verdict", _VERDICTS), row.read("error", number), row.read("usage", number))


def _exit_code(value: object, where: str) -> ExitCode:
    try:
        return ExitCode(whole(value, where))
    except ValueError:
        raise refusal(where, shown(value), "an exit code of a run") from None


def _positions(names: Iterable[Name]) -> dict[Name, int]:
    return {name: at for at, name in enumerate(dict.fromkeys(names))}
