"""A tiny model, command lines that generate with it, and certificates for them."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ltx_port.certificate import Certificate, Compared, Evidence, Reference, Scope, Versions, certificate_path
from ltx_port.certificate.port_hash import port_sha256
from ltx_port.cli import main
from ltx_port.release import release_named
from ltx_port.transformer.attention import AttentionBackend
from parity.ltx23.synthetic.model_folder import ModelFolder

CPU = torch.device("cpu")
SMALL = ("--height", "64", "--width", "128", "--num-frames", "9", "--fps", "25", "--steps", "2")
GUIDANCE = ("--video-stg-blocks", "1", "--audio-stg-blocks", "1")


def files(model: ModelFolder, *without: str) -> list[str]:
    """Name the files of two-stage generation."""
    named = {
        "--checkpoint": model.checkpoint,
        "--distilled-lora": model.distilled_lora,
        "--spatial-upsampler": model.upsampler,
        "--gemma-root": model.gemma,
    }
    return [word for flag, path in named.items() if flag not in without for word in (flag, str(path))]


def words(model: ModelFolder, output: Path, *more: str, without: Sequence[str] = ()) -> list[str]:
    """Give a command line that generates the smallest clip, without a certificate."""
    chosen = [*files(model, *without), "--prompt", "the sea", "--device", "cpu", *SMALL, *GUIDANCE]
    return [*chosen, "--output", str(output), "--unverified", "--quiet", *more]


def generated(model: ModelFolder, output: Path, *more: str, without: Sequence[str] = ()) -> dict[str, Any]:
    """Generate, and give the JSON result."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = main([*words(model, output, *more, without=without), "--json"])
    assert code == 0
    return json.loads(printed.getvalue())


def certify(folder: Path, release: str = "1.2.0") -> Path:
    """Lay a certificate for this machine into a folder, as the gate does."""
    scope = Scope.of(CPU, torch.bfloat16, AttentionBackend.AUTO, release_named(release))
    compared = Compared(
        stage="lora", suite="recorded", case="lora-small", taps=30, elements=900, identical=30, within=0, over=0,
        incomplete=0,
    )  # fmt: skip
    evidence = Evidence(
        scope=scope,
        port_sha256=port_sha256(),
        stages=("lora",),
        compared=(dataclasses.replace(compared),),
        budgets_sha256="1" * 64,
        reference=Reference(release, "2362161", ("recorded",)),
        versions=Versions.here(CPU),
        seconds=41.5,
        created="2026-11-25T04:00:00+00:00",
        report_sha256="2" * 64,
    )
    path = certificate_path(scope, folder)
    path.write_text(Certificate.sealing(evidence).to_json(), encoding="utf-8")
    return path
