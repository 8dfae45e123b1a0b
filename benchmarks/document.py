"""What every benchmark gives: a dated document of the machine and the rows, as JSON or as tables."""

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from benchmarks.machine import describe

Document = dict[str, Any]


def deliver(
    found: Document, arguments: argparse.Namespace, show: Callable[[Document, Console], None], **machine: str
) -> int:
    """Print what was found with the date and the machine (and `machine`, more of it); give the exit code."""
    document = {"date": datetime.now(UTC).date().isoformat(), "machine": {**describe(), **machine}, **found}
    if arguments.json:
        json.dump(document, sys.stdout, indent=1)
    else:
        show(document, Console())
    return 0
