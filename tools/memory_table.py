"""Compute what each phase of LTX-2.3's two-stage generation takes of a GPU's memory, without weights and without a GPU.

Exit codes: 0 computed, 2 bad input (one line on stderr).
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ltx_port.checkpoint.config import parse_config
from ltx_port.errors import InputError
from ltx_port.footprint.phases import Setting
from ltx_port.footprint.table import Footprint, footprints, peak
from ltx_port.latents import Clip
from ltx_port.release import NEWEST, RELEASES
from ltx_port.text.transformers_import import transformers_importable
from ltx_port.upsampler.config import parse_upsampler_config
from parity.errors import ExitCode
from parity.ltx23.configs import config_text, gemma_config_text, upsampler_config_text

if TYPE_CHECKING:
    from transformers import Gemma3TextConfig

_CONFIG = "ltx-2.3-22b"
_SIZES = ("512x768", "1024x1536", "1088x1920")
_GIB = 1 << 30
_OFFLOADED = "--offload blocks"
_NOTE = "The scratch memory of kernels, the allocator's rounding and the driver's own memory come on top."


@dataclass(frozen=True)
class Computed:
    """One size of clip and its phases."""

    clip: Clip
    rows: tuple[Footprint, ...]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="memory_table", description=__doc__)
    add = parser.add_argument
    add(
        "--size",
        nargs="+",
        metavar="HxW",
        default=list(_SIZES),
        help=f"heights and widths (default: {' '.join(_SIZES)})",
    )
    add("--frames", type=int, default=121, help="frames of the clip, 8k + 1 (default: 121)")
    add("--fps", type=float, default=24.0, help="frames per second (default: 24)")
    add("--release", choices=RELEASES, default=NEWEST.name, help=f"whose defaults (default: {NEWEST.name})")
    add(
        "--attention",
        choices=["fused", "plain"],
        default="fused",
        help="fused: no kernel holds all scores (default); plain: torch's arithmetic, which does",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print bytes as JSON")
    output.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    return parser


def _gemma() -> "Gemma3TextConfig":
    with transformers_importable():
        from transformers import Gemma3TextConfig

    return Gemma3TextConfig(**json.loads(gemma_config_text()))


def _clip(arguments: argparse.Namespace, size: str) -> Clip:
    found = re.fullmatch(r"(\d+)x(\d+)", size)
    if found is None:
        raise InputError("--size", repr(size), "HEIGHTxWIDTH", "give pixels, for example 1024x1536")
    return Clip(arguments.frames, int(found[1]), int(found[2]), arguments.fps)


def _compute(arguments: argparse.Namespace) -> list[Computed]:
    clips = [_clip(arguments, size) for size in arguments.size]
    for clip in clips:
        clip.halved()  # refuses a size that has no first stage, before anything is computed
    checkpoint = parse_config(config_text(_CONFIG), _CONFIG)
    upsampler = parse_upsampler_config(upsampler_config_text(_CONFIG), _CONFIG)
    gemma, release = _gemma(), RELEASES[arguments.release]
    found = []
    for clip in clips:
        setting = Setting(checkpoint, upsampler, gemma, clip, release, torch.bfloat16)
        found.append(Computed(clip, tuple(footprints(setting, arguments.attention == "plain"))))
    return found


def _size(computed: Computed) -> str:
    return f"{computed.clip.height}x{computed.clip.width}"


def _document(arguments: argparse.Namespace, found: Sequence[Computed]) -> dict[str, object]:
    sizes = []
    for computed in found:
        whole, offloaded = peak(computed.rows)
        phases = [{**asdict(row), "whole": row.whole, "offloaded": row.offloaded} for row in computed.rows]
        size = {"height": computed.clip.height, "width": computed.clip.width}
        tokens = {"video_tokens": computed.clip.video.tokens, "audio_tokens": computed.clip.audio.tokens}
        sizes.append({**size, **tokens, "phases": phases, "peak": whole, "peak_offloaded": offloaded})
    asked = {name: getattr(arguments, name) for name in ("frames", "fps", "release", "attention")}
    return {**asked, "dtype": "bfloat16", "unit": "bytes", "sizes": sizes}


def _heads(found: Sequence[Computed]) -> list[str]:
    return ["phase", "weights", _OFFLOADED, *(_size(computed) for computed in found)]


def _lines(found: Sequence[Computed]) -> list[list[str]]:
    """Give the table's rows: each phase, and the largest of each size; weights are the same at all sizes."""
    lines = []
    for number, row in enumerate(found[0].rows):
        streamed = _gib(row.weights - row.streamed + row.slots) if row.streamed else "-"
        lines.append([row.phase, _gib(row.weights), streamed, *(_gib(it.rows[number].activations) for it in found)])
    peaks = [peak(computed.rows) for computed in found]
    lines.append(["peak", "", "", *(_gib(whole) for whole, _ in peaks)])
    lines.append([f"peak, {_OFFLOADED}", "", "", *(_gib(offloaded) for _, offloaded in peaks)])
    return lines


def _gib(nbytes: int) -> str:
    return f"{nbytes / _GIB:.2f}"


def _title(arguments: argparse.Namespace) -> str:
    release, attention = arguments.release, arguments.attention
    return f"GiB at {arguments.frames} frames, bfloat16, release {release}, {attention} attention; activations by size"


def _print_table(arguments: argparse.Namespace, found: Sequence[Computed]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, head in enumerate(_heads(found)):
        # Where there is no room, a number cut short would read as another number.
        table.add_column(head, justify="right" if number else "left", overflow="fold", no_wrap=not number)
    *lines, last_phase, whole, offloaded = _lines(found)
    for line in lines:
        table.add_row(*line)
    table.add_row(*last_phase, end_section=True)
    table.add_row(*whole)
    table.add_row(*offloaded)
    console = Console(file=sys.stdout, soft_wrap=not sys.stdout.isatty(), highlight=False)
    for part in (_title(arguments), table, _NOTE):
        console.print(part)


def _print_markdown(arguments: argparse.Namespace, found: Sequence[Computed]) -> None:
    heads = _heads(found)
    rule = [":---"] + ["---:"] * (len(heads) - 1)
    table = "\n".join(f"| {' | '.join(line)} |" for line in [heads, rule, *_lines(found)])
    sys.stdout.write(f"{_title(arguments)}:\n\n{table}\n\n{_NOTE}\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Compute the table that the command line asks for, and give the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        found = _compute(arguments)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.BAD_INPUT
    if arguments.json:
        sys.stdout.write(json.dumps(_document(arguments, found), indent=1) + "\n")
    elif arguments.markdown:
        _print_markdown(arguments, found)
    else:
        _print_table(arguments, found)
    return ExitCode.WITHIN_BUDGET


if __name__ == "__main__":
    sys.exit(main())
