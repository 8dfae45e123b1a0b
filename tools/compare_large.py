"""Compare two dumps of any size, and say how much memory that took.

    python tools/compare_large.py FOLDER --gigabytes 20

Both dumps are safetensors files of holes: what is not written reads as zeros and takes no room on the disk. The largest
tensor has half of all bytes. The candidate differs from the reference in one element, which must be found. The dumps
are removed at the end.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from parity.judge import Budgets, Verdict
from parity.run.dumps import DumpPair, compare_dumps
from parity.store import Dump, Manifest
from parity.store.bits import BlobSpec, ContentHasher, raw_bytes
from parity.store.layout import FORMAT_NAME, FORMAT_VERSION, Index, Sealed

_PIECE = 2**24
_LARGEST = "transformer.largest"
_BUDGET = 'schema = 1\n[[budget]]\nsuite = "large"\nrule = "bit-identical"\ntaps = ["*"]\nreason = "the same holes"\n'


def write_sparse(path: Path, elements: dict[str, int], marks: dict[str, dict[int, float]]) -> None:
    """Write a dump of bfloat16 zeros, but for the elements of `marks`, without writing the zeros."""
    index, begins, end = Index(), {}, 0
    for name, count in elements.items():
        spec = BlobSpec(torch.bfloat16, (1, count // 64, 64))
        sha = _hash(spec, marks[name])
        index.names[name], index.blobs[sha], begins[sha] = sha, spec, end
        end += spec.nbytes
    sealed = Sealed.over(str(path), _manifest(len(elements)), index)
    told = {"format": FORMAT_NAME, "version": FORMAT_VERSION, "manifest": sealed.manifest.decode(),
            "index": sealed.index.decode(), "seal": sealed.seal}  # fmt: skip
    entries = {
        sha: {"dtype": "BF16", "shape": list(spec.shape), "data_offsets": [begins[sha], begins[sha] + spec.nbytes]}
        for sha, spec in index.blobs.items()
    }
    header = json.dumps({"__metadata__": told, **entries}).encode()
    with path.open("xb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        start = file.tell()
        for name, sha in index.names.items():
            for at, value in marks[name].items():
                file.seek(start + begins[sha] + 2 * at)
                file.write(raw_bytes(torch.tensor([value], dtype=torch.bfloat16)).tobytes())
        file.truncate(start + end)


def _hash(spec: BlobSpec, marks: dict[int, float]) -> str:
    hasher, piece = ContentHasher(spec.dtype, spec.shape), torch.zeros(_PIECE // 2, dtype=torch.bfloat16)
    for start in range(0, spec.elements, len(piece)):
        here = {at - start: value for at, value in marks.items() if start <= at < start + len(piece)}
        for at, value in here.items():
            piece[at] = value
        hasher.update(raw_bytes(piece[: spec.elements - start]))
        for at in here:
            piece[at] = 0
    return hasher.hexdigest()


def _manifest(taps: int) -> Manifest:
    return Manifest(
        producer="tools/compare_large.py", release="1.0.0", commit=None, case="large", checkpoint_sha256="0" * 64,
        input_sha256={}, torch_version=torch.__version__, device="cpu", determinism={}, seed=0, dtype="bfloat16",
        command="compare_large", created="2026-01-02T03:04:05+00:00", sizes={}, tap_count=taps,
    )  # fmt: skip


def write_pair(folder: Path, nbytes: int) -> tuple[Path, Path]:
    """Write reference and candidate of so many bytes each; the last element but one of the largest tensor differs."""
    largest = nbytes // 4 // 64 * 64
    elements = {_LARGEST: largest} | {f"transformer.tap{n}": largest // 8 // 64 * 64 + 64 * n for n in range(8)}
    # No two tensors alike, which would be stored once.
    marks = {name: {n: 1.0 + n, count - 1: 3.0} for n, (name, count) in enumerate(elements.items())}
    reference, candidate = folder / "reference.safetensors", folder / "candidate.safetensors"
    write_sparse(reference, elements, marks)
    write_sparse(candidate, elements, {**marks, _LARGEST: {**marks[_LARGEST], largest - 2: 0.5}})
    return reference, candidate


def compare_pair(reference: Path, candidate: Path) -> dict[str, object]:
    """Compare them in this process; gives what was found, in how many seconds, and the process's largest memory."""
    budgets = reference.with_suffix(".toml")
    budgets.write_text(_BUDGET, encoding="utf-8")
    began = time.monotonic()
    with Dump.open(reference) as first, Dump.open(candidate) as second:
        found = compare_dumps(DumpPair(second, first, Budgets.load(budgets), "large", {}))
    over = [tap.place.tap for tap in found.cases[0].forwards[0].taps if tap.verdict is Verdict.OVER]
    status = Path("/proc/self/status").read_text(encoding="ascii")
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    return {
        "taps": len(found.cases[0].forwards[0].taps),
        "over": over,
        "exit_code": int(found.exit_code),
        "seconds": round(time.monotonic() - began, 1),
        "peak_mib": peak >> 10,
        "gigabytes_each": round(reference.stat().st_size / 1e9, 3),
        "on_disk_mib": (reference.stat().st_blocks + candidate.stat().st_blocks) * 512 >> 20,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Write, compare in a process of its own, and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="compare_large.py", description="Compare two large dumps in little memory.")
    parser.add_argument("folder", type=Path, help="an existing folder")
    parser.add_argument("--gigabytes", type=float, default=20.0, help="bytes of each dump (default: %(default)s)")
    parser.add_argument("--compare", nargs=2, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.compare is not None:
        print(json.dumps(compare_pair(*arguments.compare)))  # noqa: T201
        return 0
    pair: tuple[Path, ...] = ()
    try:
        pair = write_pair(arguments.folder, int(arguments.gigabytes * 1e9))
        words = [sys.executable, __file__, str(arguments.folder), "--compare", *map(str, pair)]
        return subprocess.run(words, check=False).returncode
    finally:
        for path in (*pair, arguments.folder / "reference.toml"):
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
