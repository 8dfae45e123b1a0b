"""The command line of `ltx-generate`; a test freezes its options."""

import argparse
from pathlib import Path
from typing import Any

from ltx_port.picture import DEFAULT_CRF
from ltx_port.pipeline.files import STRENGTHS_IN_BOTH
from ltx_port.pipeline.request import DEFAULT_FPS, DEFAULT_FRAMES, DEFAULT_SEED
from ltx_port.pipeline.route import ROUTES, TWO_STAGE
from ltx_port.release import NEWEST, RELEASES
from ltx_port.transformer.attention import AttentionBackend

DTYPES = ("bfloat16", "float32")
OFFLOADS = ("none", "blocks")
_EPILOG = """exit codes:
  0    the clip is written
  2    bad input, or no proof: one line says what, and what to do
  130  interrupted: nothing is left under the output's name
"""


def build_parser() -> argparse.ArgumentParser:
    """Give the whole parser."""
    parser = argparse.ArgumentParser(
        prog="ltx-generate",
        description="Generate a clip with sound from a prompt and pictures, by a port whose numbers are proven.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_files(parser.add_argument_group("model files"))
    _add_request(parser.add_argument_group("what to generate"))
    for stream in ("video", "audio"):
        _add_guidance(parser.add_argument_group(f"guidance of the {stream}, first stage"), stream)
    _add_numerics(parser.add_argument_group("how to compute"))
    _add_outputs(parser.add_argument_group("what to write"))
    return parser


def _add_files(group: Any) -> None:
    add = group.add_argument
    add("--checkpoint", type=Path, metavar="PATH", help="the official checkpoint (dev); not for --pipeline distilled")
    add(
        "--distilled-checkpoint",
        type=Path,
        metavar="PATH",
        help="the distilled checkpoint: for the second stage, or the whole of --pipeline distilled",
    )
    add(
        "--distilled-lora",
        nargs="+",
        metavar=("PATH", "STRENGTH"),
        help="the distilled LoRA for the second stage, in the place of its checkpoint (strength: 1)",
    )
    add(
        "--hq-strengths",
        nargs=2,
        type=float,
        metavar=("STAGE1", "STAGE2"),
        help=f"strengths of the distilled LoRA in --pipeline hq (default: {STRENGTHS_IN_BOTH[0]} "
        f"{STRENGTHS_IN_BOTH[1]})",
    )
    add("--spatial-upsampler", type=Path, metavar="PATH", help="the spatial x2 upsampler, for two stages")
    add("--gemma-root", type=Path, metavar="FOLDER", help="Gemma 3 12B as published")
    add("--hidden-states", type=Path, metavar="PATH", help="what --save-hidden-states wrote, in the place of Gemma")
    add(
        "--lora",
        nargs="+",
        action="append",
        default=[],
        metavar=("PATH", "STRENGTH"),
        help="a LoRA for both stages (strength: 1); may be given again",
    )
    add(
        "--lora-leave",
        action="append",
        default=[],
        metavar="BEGINNING",
        help="leave out layers of LoRAs that begin so; may be given again",
    )


def _add_request(group: Any) -> None:
    add = group.add_argument
    add("--pipeline", choices=tuple(ROUTES), default=TWO_STAGE.name, help="the route (default: %(default)s)")
    add("--prompt", help="what is to be seen and heard")
    add("--negative-prompt", help="what is not (default: the official one)")
    add(
        "--image",
        nargs="+",
        action="append",
        default=[],
        metavar=("PATH", "FRAME"),
        help=f"PATH [FRAME] [STRENGTH] [CRF]: a picture at a frame (defaults: 0, 1.0, {DEFAULT_CRF}); "
        "may be given again",
    )
    add("--height", type=int, help="pixels (default: the route's)")
    add("--width", type=int, help="pixels (default: the route's)")
    add("--num-frames", type=int, default=DEFAULT_FRAMES, help="8k + 1 frames (default: %(default)s)")
    add("--fps", type=float, default=DEFAULT_FPS, help="frames a second (default: %(default)s)")
    add("--seed", type=int, default=DEFAULT_SEED, help="another seed, another clip (default: %(default)s)")
    add("--steps", type=int, help="steps of a guided first stage (default: the route's)")


def _add_guidance(group: Any, stream: str) -> None:
    other = "audio" if stream == "video" else "video"
    add = group.add_argument
    add(f"--{stream}-cfg", type=float, metavar="SCALE", help="away from the negative prompt; 1: not at all")
    add(f"--{stream}-stg", type=float, metavar="SCALE", help="away from a pass without self-attention; 0: not at all")
    add(f"--{stream}-stg-blocks", type=int, nargs="*", metavar="BLOCK", help="the blocks of that pass")
    add(f"--{stream}-modality", type=float, metavar="SCALE", help=f"away from a pass deaf to {other}; 1: not at all")
    add(f"--{stream}-rescale", type=float, metavar="SHARE", help="how far contrast is brought back, 0 to 1")
    add(f"--{stream}-skip-step", type=int, metavar="N", help="keep the prediction for N steps after each")


def _add_numerics(group: Any) -> None:
    add = group.add_argument
    add("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    add("--dtype", choices=DTYPES, default=DTYPES[0], help="working precision (default: %(default)s)")
    add("--release", choices=tuple(RELEASES), default=NEWEST.name, help="the numbers of (default: %(default)s)")
    add(
        "--attention",
        choices=tuple(backend.value for backend in AttentionBackend),
        default=AttentionBackend.AUTO.value,
        help="attention kernel; only auto follows the reference to the bit (default: %(default)s)",
    )
    add(
        "--offload",
        choices=OFFLOADS,
        default=OFFLOADS[0],
        help="blocks: keep the transformer's and Gemma's weights in host memory, and bring a block at a time to the "
        "device (default: %(default)s)",
    )
    add("--threads", type=int, help="CPU threads (default: torch's choice)")
    add("--certificates", type=Path, metavar="FOLDER", help="where `ltx-parity gate` wrote its certificate")
    add("--unverified", action="store_true", help="generate without a certificate; the file says so")


def _add_outputs(group: Any) -> None:
    add = group.add_argument
    add("--output", type=Path, required=True, metavar="PATH", help="the clip, an .mp4")
    add("--save-wav", type=Path, metavar="PATH", help="the sound as it is, before AAC")
    add("--save-frames", type=Path, metavar="FOLDER", help="every frame as PNG, before H.264")
    add("--save-latents", type=Path, metavar="PATH", help="the latents of both streams, as safetensors")
    add("--save-hidden-states", type=Path, metavar="PATH", help="Gemma's hidden states of the prompts, as safetensors")
    add(
        "--dump-intermediates",
        type=Path,
        metavar="FOLDER",
        help="a dump of every intermediate tensor of the run that `ltx-parity compare` reads",
    )
    add("--check", action="store_true", help="check everything that can be checked, generate nothing")
    add("--json", action="store_true", help="print the result as JSON on stdout")
    add("--quiet", action="store_true", help="show no progress")
