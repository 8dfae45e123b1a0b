"""The files that the harness keeps for itself: bands, runs in brief, measured runs, campaigns, locks, tables."""

import gzip
import json
import tomllib
from pathlib import Path
from random import Random
from typing import Any

from fuzz import content, json_text, safetensors_parts, seeds, toml_text
from fuzz.case import Reader
from fuzz.sayings import same_document
from parity.blame.operations import Operations
from parity.calibrate.bands_file import encode, read_bands
from parity.calibrate.journal import Journal, Run
from parity.calibrate.ratchet import Record, read_lock
from parity.cli import main as parity_main
from parity.history.document import to_document
from parity.history.shelf import open_run
from parity.report.fault_row import encode_outcome
from parity.report.journal import open_journal
from reference_dumps.official.installed import _release_in

_JSON = (json_text.mutation,) * 6 + content.ANY_BYTES[::2]
_TOML = (toml_text.mutation,) * 10 + content.ANY_BYTES[::2]
_SAFETENSORS = (safetensors_parts.header, safetensors_parts.shuffled, safetensors_parts.data)


def _brief_says(raw: bytes, found: Any) -> bool:
    # Bytes behind the end of what is packed are refused, so that there is one text.
    return same_document(gzip.decompress(raw).decode(), to_document(found), ("digest",))


def _rows(path: Path) -> Any:
    return [(row, row.stage) for row in read_lock(path)]


def _rows_say(raw: bytes, found: Any) -> bool:
    def written(row: Record) -> list[Any]:
        numbers = {gate: list(vars(allowance).values()) for gate, allowance in row.allowances.items()}
        return [row.key, row.rule.value, numbers, row.reason]

    return same_document(
        raw.decode(), {"schema": "ltx-parity/budgets-lock/1", "rows": [written(row) for row, _ in found]}
    )


def _measured(path: Path) -> Any:
    run: Run = Journal(path.parent).read(seeds.MEASURED_KEY, seeds.MEASURED_NAMES)
    return run.table.tobytes(), run.floors.tobytes()


def _lines(random: Random, raw: bytes) -> bytes:
    """Change one line of several."""
    lines = raw.split(b"\n")
    at = random.randrange(len(lines) - 1)
    lines[at] = json_text.mutation(random, lines[at])
    return b"\n".join(lines)


def _campaign(path: Path) -> Any:
    with open_journal(path, seeds.CAMPAIGN_SOURCE) as journal:
        return [encode_outcome(outcome) for outcome in journal.outcomes.values()]


def _campaign_says(raw: bytes, found: Any) -> bool:
    # What follows the last line's end was cut off by a kill, and is dropped.
    lines = raw[: raw.rfind(b"\n") + 1].splitlines()[1:]
    return len(lines) == len(found) and all(
        same_document(line.decode(), outcome) for line, outcome in zip(lines, found, strict=True)
    )


def _operations_say(raw: bytes, found: Operations) -> bool:
    document = tomllib.loads(raw.decode())
    return [(list(row.taps), row.part) for row in found.rows] == [
        (row["taps"], row["part"]) for row in document.get("operation", [])
    ] and [(list(row.taps), list(row.axes)) for row in found.axes] == [
        (row["taps"], row["names"]) for row in document.get("axes", [])
    ]


def _release_says(raw: bytes, found: str | None) -> bool:
    # Whatever is not understood is no release: the packages count as not installed.
    return found is None or tomllib.loads(raw.decode())["project"]["version"] == found


RECORD_READERS = (
    Reader(
        "bands.json",
        seeds.bands,
        _JSON,
        read_bands,
        lambda raw, found: same_document(raw.decode(), json.loads(encode(found)), ("digest",)),
        sealed=True,
        forgeries=(json_text.forged,) * 6,
    ),
    Reader(
        "brief.json.gz",
        seeds.briefs,
        (json_text.gzipped(json_text.mutation),) * 6 + content.ANY_BYTES[::2],
        open_run,
        _brief_says,
        sealed=True,
        forgeries=(json_text.gzipped(json_text.forged),) * 6,
        command=lambda path: (parity_main, ["compare-runs", str(path), str(path)]),
    ),
    Reader("budgets.lock.json", seeds.budget_locks, _JSON, _rows, _rows_say),
    Reader(
        "measured run",
        seeds.measured_runs,
        (*_SAFETENSORS, *content.ANY_BYTES),
        _measured,
        lambda raw, found: True,
        sealed=True,
    ),
    Reader("campaign.jsonl", seeds.campaigns, (_lines,) * 6 + content.ANY_BYTES[::2], _campaign, _campaign_says),
    Reader("operations.toml", seeds.operations, _TOML, Operations.load, _operations_say),
    Reader("pyproject.toml", seeds.projects, _TOML, lambda path: _release_in(path, "ltx-core"), _release_says),
)
