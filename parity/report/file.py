"""Reports on disk: written whole or not at all, read strictly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from parity.errors import BadInputError, ParityError
from parity.report.document import from_document, to_document
from parity.report.markdown import to_markdown
from parity.report.record import Report
from parity.run.record import RunResult
from parity.store import seal, strict_json
from parity.store.whole_file import publish


def write_report(run: RunResult | Report, path: Path) -> None:
    """Write a run as JSON; the file appears whole, or what was there stays.

    BadInputError where the folder cannot be written to, or the run's records contradict each other.
    """
    publish(path, report_bytes(run, str(path)))


def write_document(document: Mapping[str, Any], path: Path) -> None:
    """Write what `to_document` gave of a run, as `write_report` does; BadInputError where it cannot be written."""
    publish(path, _bytes(document, str(path)))


def report_bytes(run: RunResult | Report, where: str = "report") -> bytes:
    """Give what `write_report` writes; BadInputError where the run's records contradict each other."""
    return _bytes(to_document(run), where)


def sealed_document(run: RunResult | Report, where: str = "report") -> dict[str, Any]:
    """Give the JSON value of a run with a digest over it, as files and `--json` have it; the same error."""
    return seal.sealed(to_document(run), where)


def _bytes(document: Mapping[str, Any], where: str) -> bytes:
    return seal.encoded(document, where) + b"\n"


def write_markdown(run: RunResult | Report, path: Path) -> None:
    """Write a run as Markdown; likewise whole or not at all, and the same errors."""
    publish(path, to_markdown(run).encode())


def read_report(path: Path) -> Report:
    """Read what `write_report` wrote; BadInputError where the file is missing, cut short, edited, or anything else."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise BadInputError(str(path), got, "a report written by write_report", "check the path") from error
    try:
        value = strict_json.decode(str(path), raw)
    except ParityError as error:
        raise BadInputError(str(path), error.got, "a whole report", "write the report again") from error
    report = from_document(seal.unsealed(value), str(path))
    seal.require_seal(value, str(path), "write the report again")
    return report
