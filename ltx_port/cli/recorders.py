"""Who can record a run: found by entry point, since the port knows nobody that watches it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from ltx_port.cli.plan import Plan
from ltx_port.errors import InputError
from ltx_port.pipeline import Pipeline

_GROUP = "ltx_port.recorders"


class Recorded(NamedTuple):
    """What is recorded: a pipeline, what it is asked for, and the command that asked."""

    pipeline: Pipeline
    plan: Plan
    command: str


Recorder = Callable[[Recorded, Path], AbstractContextManager[Path]]
"""Records all that runs inside the context into a folder, and gives the path of the file, written at its end."""


def recorder() -> Recorder:
    """Give the installed recorder; InputError where there is none."""
    found = {point.name: point for point in metadata.entry_points(group=_GROUP)}
    if "dump" not in found:
        got = f"nothing installed under the entry point group {_GROUP}"
        raise InputError(
            "--dump-intermediates", got, "the harness of this project", "install it with its parity package"
        )
    loaded: Recorder = found["dump"].load()
    return loaded
