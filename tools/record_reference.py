#!/usr/bin/env python3
"""Record the dumps of reference_dumps/recorded again, from the running official code, and lock them.

The release is the one that Python finds: the installed packages, or the official repository's sources in front of them
on PYTHONPATH. Dumps of other releases stay as they are.
"""

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console

from parity.binding import CaptureRequest
from parity.errors import BadInputError, ParityError
from parity.ltx23.binding import BINDING, RECORDINGS
from parity.ltx23.choice import installed
from parity.ltx23.recording import recording_name
from parity.ltx23.stages import Choice, chosen_cases, stage_of
from parity.store.bits import dtype_name
from reference_dumps.lock import write_lock


def main() -> int:
    """Record every case that is marked as recorded, in each of its precisions, from the release that is found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=RECORDINGS, help="where to write (default: the repository)")
    parser.add_argument("--stage", action="append", default=[], help="only this stage (repeatable; default: all)")
    arguments = parser.parse_args()
    log, out = Console(stderr=True), Console(soft_wrap=True)
    # How sums are cut up follows the number of threads; one is the same everywhere.
    torch.set_num_threads(1)
    try:
        release = installed()
        if release is None:
            raise BadInputError("official LTX-2 code", "not installed", "a release that the port follows", "install it")
        for case in (case for case in chosen_cases(Choice(stages=tuple(arguments.stage))) if case.recorded):
            for dtype in case.dtypes:
                path = arguments.folder / recording_name(release, case, dtype)
                path.parent.mkdir(parents=True, exist_ok=True)
                log.print(f"recording {path}", markup=False)
                name = dtype_name(dtype)
                command = f"tools/record_reference.py --stage {stage_of(case).id}"
                BINDING.capture(CaptureRequest(case.id, "official", name, path, command, release=release))
        hashes = write_lock(arguments.folder)
    except ParityError as error:
        log.print(str(error), markup=False)
        return int(error.exit_code)
    for path_name, sha256 in hashes.items():
        out.print(f"{sha256}  {path_name}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
