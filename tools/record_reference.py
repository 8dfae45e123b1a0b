#!/usr/bin/env python3
"""Record the dumps of reference_dumps/recorded again, from the running official code, and lock them."""

import argparse
import shlex
import sys
from pathlib import Path

from rich.console import Console

from parity.binding import CaptureRequest
from parity.errors import ParityError
from parity.ltx23.binding import BINDING, RECORDINGS
from parity.ltx23.cases import TRANSFORMER_CASES
from parity.ltx23.recording import recording_name
from reference_dumps.lock import write_lock


def main() -> int:
    """Record every case that is marked as recorded, in each of its precisions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=RECORDINGS, help="where to write (default: the repository)")
    arguments = parser.parse_args()
    log, out = Console(stderr=True), Console(soft_wrap=True)
    command = shlex.join(["tools/record_reference.py", *sys.argv[1:]])
    try:
        for case in (case for case in TRANSFORMER_CASES.values() if case.recorded):
            for dtype in case.dtypes:
                path = arguments.folder / recording_name(case, dtype)
                path.parent.mkdir(parents=True, exist_ok=True)
                log.print(f"recording {path}", markup=False)
                name = str(dtype).removeprefix("torch.")
                BINDING.capture(CaptureRequest(case.id, "official", name, path, command))
        hashes = write_lock(arguments.folder)
    except ParityError as error:
        log.print(str(error), markup=False)
        return int(error.exit_code)
    for path_name, sha256 in hashes.items():
        out.print(f"{sha256}  {path_name}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
