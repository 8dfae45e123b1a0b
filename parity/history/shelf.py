"""A folder of runs: kept in brief under names that sort by time, and read again."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from parity.errors import BadInputError, ParityError
from parity.history.brief import Brief, brief_of
from parity.history.document import packed, unpacked
from parity.report import Report, read_report
from parity.store.whole_file import publish

SUFFIX = ".json.gz"
_PACKED = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Shelved:
    """A run that was found, where it lies."""

    path: Path
    brief: Brief


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a folder has: its runs, oldest first (those that say no time before all others), and what is none."""

    folder: Path
    runs: tuple[Shelved, ...]
    refused: tuple[ParityError, ...]


def keep(run: Report | Brief, folder: Path, now: datetime) -> Path:
    """Write a run in brief into a folder, whole or not at all, and give its path; BadInputError where it cannot."""
    when = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    brief = brief_of(run) if isinstance(run, Report) else run
    content = packed(replace(brief, when=when), str(folder))
    digest = hashlib.sha256(content).hexdigest()[:12]
    path = folder / f"{when.replace('-', '').replace(':', '')}-{digest}{SUFFIX}"
    publish(path, content)
    return path


def open_run(path: Path) -> Brief:
    """Read a run, kept in brief or whole as JSON; BadInputError where it is neither."""
    try:
        with path.open("rb") as file:
            raw = file.read() if file.read(2) == _PACKED else None
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise BadInputError(str(path), got, "a run as JSON, or one kept with --history", "check the path") from error
    return brief_of(read_report(path)) if raw is None else unpacked(_PACKED + raw, str(path))


def shelf(folder: Path) -> Shelf:
    """Read every run in a folder and the run.json of its subfolders; BadInputError where there is no such folder."""
    if not folder.is_dir():
        raise BadInputError(str(folder), "no such folder", "a folder of runs", "check the path")
    # Names that begin with a dot are of files that are being written.
    found = [p for p in folder.iterdir() if p.name.endswith((".json", SUFFIX)) and not p.name.startswith(".")]
    runs: list[Shelved] = []
    refused: list[ParityError] = []
    for path in sorted(found) + sorted(folder.glob("*/run.json")):
        try:
            runs.append(Shelved(path, open_run(path)))
        except ParityError as error:
            refused.append(error)
    return Shelf(folder, tuple(sorted(runs, key=lambda one: (one.brief.when, str(one.path)))), tuple(refused))
