"""One block of the transformer and the vocoder in onnxruntime, judged beside the official code; then with faults.

Exit code 0 where the models as they are stay within their budgets, and every planted fault is blamed at its tap.
"""

import argparse
import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import onnx
from rich.console import Console

from examples.onnx import block, graph, runtime, vocoder
from parity.cli import main as parity
from reference_dumps.official.installed import installed_release

HERE = Path(__file__).parent
Plant = Callable[[onnx.ModelProto], None]
Told = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """A part of the model: its case, how it is exported, what its inputs are besides those of the case."""

    name: str
    case: str
    make: Callable[[Path, str, Path], onnx.ModelProto]
    options: tuple[str, ...]
    faults: dict[str, tuple[str, Plant]]


PARTS = (
    Part(
        "block",
        "small",
        block.make,
        ("--pass", "pass_cond,pass_neg", "--taps", block.TAPS),
        {
            "the weight of the audio stream's head gates, halved": (
                "transformer.pass_cond.block00.audio.self_attn.gate_logits",
                lambda model: graph.scale_weight(model, "audio/self_attn/attn/to_gate_logits", 0.5),
            ),
            "interleaved RoPE in the video stream's queries": (
                "transformer.pass_cond.block00.video.self_attn.q_rope",
                lambda model: graph.interleave_rope(
                    model, "video/self_attn/attn/q_norm", "video/self_attn/attn/rotate_q", heads=4
                ),
            ),
            "key and value of the video stream's fused projection, exchanged": (
                "transformer.pass_cond.block00.video.self_attn.v",
                lambda model: graph.exchange_parts(model, "video/self_attn/attn/qkv", 1, 2),
            ),
        },
    ),
    Part(
        "vocoder",
        "vocoder-small",
        vocoder.make,
        (),
        {
            "the first transposed convolution's kernel, flipped": (
                "vocoder.clip_float32.base.stage00.upsample",
                lambda model: graph.flip_kernel(model, "generator/stages/0/upsample"),
            ),
            "a bias of the second generator, left out": (
                "vocoder.clip_float32.bwe.stage01.block0.layer1.dilated",
                lambda model: graph.zero_bias(model, "extension/generator/stages/1/blocks/0/layers/1/dilated"),
            ),
        },
    ),
)


class Example:
    """Runs the steps of one part and remembers whether each ended as it must."""

    def __init__(self, part: Part, folder: Path, out: Console):
        self._part, self._folder, self._out = part, folder, out
        self.failed = False

    def run(self, side: str, faults: Iterable[str]) -> None:
        """Record the reference, export inputs and model, judge the model, then each fault of those named."""
        part, reference, inputs = self._part, self._folder / "reference.h5", self._folder / "inputs"
        self._parity(0, "capture", str(reference), "--case", part.case, "--side", side, "--dtype", "float32")
        given = ("--given", str(reference)) if "--taps" in part.options else ()
        case = ("--case", part.case, "--dtype", "float32")
        self._parity(0, "inputs", *case, *part.options, *given, "--output", str(inputs))
        release = json.loads((inputs / "manifest.json").read_text(encoding="utf-8"))["release"]
        model = part.make(inputs, release, self._folder / "model.onnx")
        self._judge(model, "as it is", None)
        for wrong in faults:
            tap, plant = part.faults[wrong]
            faulty = onnx.ModelProto()
            faulty.CopyFrom(model)
            plant(faulty)
            self._judge(faulty, wrong, tap)

    def _judge(self, model: onnx.ModelProto, what: str, tap: str | None) -> None:
        path, foreign = self._folder / "run.onnx", self._folder / f"{self._part.name}.safetensors"
        graph.save(model, path)
        runtime.run(path, self._folder / "inputs", foreign)
        files = (str(self._folder / "reference.h5"), str(foreign))
        options = ("--mapping", str(HERE / f"{self._part.name}.toml"), "--budgets", str(HERE / "budgets.toml"))
        told = self._parity(0 if tap is None else 1, "compare", *files, *options, "--suite", self._part.name, "--json")
        first = told["outcome"]["first_divergence"]
        forwards = [forward for case in told["cases"] for forward in case["forwards"]]
        blames = [forward["blame"] for forward in forwards if forward["blame"] is not None]
        found = None if first is None else first["tap"]
        good = found == tap and [blame["tap"] for blame in blames] == ([] if tap is None else [tap])
        self.failed |= not good
        verdict = "within budget"
        for blame in blames:
            verdict = f"over budget, blamed: {blame['tap']} ({blame['part']}: {blame['hint'] or blame['pattern']})"
        self._out.print(f"{self._part.name}, {what}: {verdict}{'' if good else f'; expected {tap}'}", markup=False)

    def _parity(self, expected: int, *arguments: str) -> Told:
        """Run the command as its users do; anything but the expected exit code ends the example."""
        self._out.print(f"$ ltx-parity {' '.join(arguments)}", style="dim", markup=False)
        with contextlib.redirect_stdout(io.StringIO()) as shown, patch.object(sys, "argv", ["ltx-parity", *arguments]):
            code = parity([*arguments, "--quiet"])
        told: Told = json.loads(shown.getvalue()) if "--json" in arguments else {}
        if code not in (expected, 0, 1):
            for forward in (forward for case in told.get("cases", []) for forward in case["forwards"]):
                for reason in forward["incomplete"]:
                    self._out.print(reason, markup=False)
            raise SystemExit(code)
        return told


def reference_side() -> str:
    """Give the side to record: without the official code the port, which `ltx-parity run` proves to have its bits."""
    return "official" if installed_release() is not None else "port"


def main() -> int:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=[part.name for part in PARTS], help="only this part (default: both)")
    parser.add_argument(
        "--faults", choices=("all", "first", "none"), default="all", help="which to plant (default: all)"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave all files there")
    given = parser.parse_args()
    out = Console(soft_wrap=True, highlight=False)
    side, failed = reference_side(), False
    with tempfile.TemporaryDirectory(prefix="ltx-parity-onnx-") as temporary:
        for part in PARTS:
            if given.part in (None, part.name):
                folder = (given.keep or Path(temporary)) / part.name
                folder.mkdir(parents=True)
                example = Example(part, folder, out)
                example.run(side, list(part.faults)[: {"all": None, "first": 1, "none": 0}[given.faults]])
                failed |= example.failed
    out.print("FAILED" if failed else "as expected")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
