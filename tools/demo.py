#!/usr/bin/env python3
"""From nothing to a clip with sound, without weights or a GPU: a tiny model, its gate, and two clips of it.

Writes a whole tiny model in the official format, proves the port on this machine, and generates an MP4 from a prompt
and another from a prompt and a picture. What is to be seen and heard is noise: the weights are random.
"""

import argparse
import contextlib
import io
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from ltx_port.cli import main as generate
from ltx_port.mp4 import read_metadata
from parity.cli import main as parity
from parity.ltx23.synthetic.model_folder import ModelFolder, write_model_folder

_SEED = 20260305
_CLIP = ["--height", "128", "--width", "192", "--num-frames", "25", "--steps", "4"]
# The tiny model has two blocks, and none of the number that the real one is guided by.
_GUIDANCE = ["--video-stg-blocks", "1", "--audio-stg-blocks", "1"]
_NEXT = """With real weights: docs/GENERATE.md says what to download and what to run. In short, on a GPU:
  ltx-parity gate --device cuda
  ltx-generate --checkpoint ltx-2.3-22b-dev.safetensors --gemma-root gemma-3-12b \\
      --distilled-lora ltx-2.3-22b-distilled-lora-384-1.1.safetensors \\
      --spatial-upsampler ltx-2.3-spatial-upscaler-x2-1.1.safetensors --prompt "..." --output clip.mp4"""


def main() -> int:
    """Run the demonstration, and give the first exit code that is not 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("runs/demo"), help="where to write (default: %(default)s)")
    folder: Path = parser.parse_args().folder
    log, out = Console(stderr=True, soft_wrap=True), Console(soft_wrap=True)
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "model"
    root.mkdir(exist_ok=True)

    log.print(f"1. a tiny model, in the official format: {root}", markup=False)
    model = write_model_folder(root, _SEED)
    certificates = str(folder / "certificates")
    log.print("2. the gate: the port against what the official code computed, tap by tap", markup=False)
    report = folder / "gate"
    gate = ["gate", "--device", "cpu", "--jobs", "2", "--certificates", certificates, "--output", str(report)]
    # Hundreds of lines, which are in run.md there as well.
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = _run(parity, gate, log)
    out.print(printed.getvalue().partition("\n")[0], f"\nthe whole report: {report / 'run.md'}\n", markup=False)
    clips = {"prompt.mp4": [], "picture.mp4": ["--image", str(model.picture), "0", "0.9"]}
    for number, (name, picture) in enumerate(clips.items(), start=3):
        if code != 0:
            return code
        log.print(f"{number}. a clip: {folder / name}", markup=False)
        words = [*_files(model), "--prompt", "Waves on a beach at dusk, wind and gulls", *_CLIP, *_GUIDANCE, *picture]
        places = ["--certificates", certificates, "--output", str(folder / name)]
        code = _run(generate, [*words, *places, "--device", "cpu", "--threads", "1"], log)
    if code == 0:
        out.print(f"\n{folder}: {', '.join(clips)}; in their metadata: {', '.join(read_metadata(folder / name))}")
        out.print(_NEXT, markup=False)
    return code


def _files(model: ModelFolder) -> list[str]:
    named = {
        "--checkpoint": model.checkpoint,
        "--distilled-lora": model.distilled_lora,
        "--spatial-upsampler": model.upsampler,
        "--gemma-root": model.gemma,
    }
    return [word for flag, path in named.items() for word in (flag, str(path))]


def _run(command: Callable[[Sequence[str]], int], words: list[str], log: Console) -> int:
    started = time.monotonic()
    code = command(words)
    log.print(f"   {time.monotonic() - started:.0f} s\n", markup=False)
    return code


if __name__ == "__main__":
    sys.exit(main())
