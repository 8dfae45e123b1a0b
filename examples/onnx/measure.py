"""Measure the error budget that onnxruntime needs: its levels of optimization, on one thread and on two.

Prints, for each variant, the largest relative L2 error of any tap, and the largest error of any element over its
tensor's root mean square, both in epsilons of float32; and for each part the taps that need most.
"""

import json
import math
import sys
import tempfile
from pathlib import Path

import onnxruntime
import torch
from rich.console import Console

from examples.onnx import run, runtime
from parity.foreign.files import ForeignFile
from parity.foreign.judging import ForeignPair, compare_foreign
from parity.foreign.mapping import TapMapping
from parity.judge import Budgets, TapResult
from parity.store import Dump

LEVELS = ("DISABLE_ALL", "ENABLE_BASIC", "ENABLE_EXTENDED", "ENABLE_ALL")
EPSILON = torch.finfo(torch.float32).eps


def figures(tap: TapResult) -> tuple[float, float]:
    """Give relative L2 and largest error over root mean square, in epsilons."""
    found = tap.measurement.comparison
    rms = found.norm_reference / math.sqrt(found.elements)
    return found.relative_l2 / EPSILON, (found.max_abs / rms if rms else 0.0) / EPSILON


def measured(part: run.Part, folder: Path, options: onnxruntime.SessionOptions) -> list[TapResult]:
    """Run one variant and give its taps."""
    target = folder / "variant.safetensors"
    runtime.run(folder / "run.onnx", folder / "inputs", target, options)
    mapping, budgets = TapMapping.load(run.HERE / f"{part.name}.toml"), Budgets.load(run.HERE / "budgets.toml")
    with Dump.open(folder / "reference.h5") as reference, ForeignFile.open(target) as foreign:
        result = compare_foreign(ForeignPair(foreign, mapping, reference, budgets, part.name, {}))
    assert not result.incomplete, result.incomplete[0]
    return result.taps


def main() -> int:
    """Measure both parts."""
    out = Console(soft_wrap=True, highlight=False)
    side = run.reference_side()
    out.print(f"onnxruntime {onnxruntime.__version__}, torch {torch.__version__}, reference {side}")
    with tempfile.TemporaryDirectory(prefix="ltx-parity-onnx-") as temporary:
        for part in run.PARTS:
            folder = Path(temporary) / part.name
            folder.mkdir()
            run.Example(part, folder, Console(file=sys.stderr)).run(side, ())
            worst: dict[str, tuple[float, float]] = {}
            for level in LEVELS:
                for threads in (1, 2):
                    options = onnxruntime.SessionOptions()
                    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_{level}")
                    options.intra_op_num_threads = threads
                    found = {tap.place.tap: figures(tap) for tap in measured(part, folder, options)}
                    largest = tuple(max(pair[i] for pair in found.values()) for i in (0, 1))
                    out.print(f"{part.name} {level} {threads} threads: {largest[0]:.1f} and {largest[1]:.1f} epsilons")
                    worst = {
                        tap: (max(pair[0], worst.get(tap, pair)[0]), max(pair[1], worst.get(tap, pair)[1]))
                        for tap, pair in found.items()
                    }
            top = sorted(worst.items(), key=lambda entry: -entry[1][0])[:6]
            out.print(json.dumps({tap: [round(x, 1) for x in pair] for tap, pair in top}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
