"""The probe matrix of the upsampler."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from parity.ltx23.configs import upsampler_config_text
from parity.ltx23.stage import SEED, Case, Pass, Setting, TensorPass, input_seed
from parity.ltx23.synthetic.upsampler_file import UpsamplerSpec
from parity.ltx23.synthetic.weights import normal_like
from parity.ltx23.synthetic.write import write_checkpoint

# Frames, height and width.
Size = tuple[int, int, int]

_EDITS = "upsampler"


def _config(name: str, edits: Mapping[str, Any]) -> dict[str, Any]:
    return {**json.loads(upsampler_config_text(name)), **edits}


def write_upsampler(path: Path, case: Case) -> None:
    """Write the case's upsampler file."""
    config = _config(case.config, case.options.get(_EDITS, {}))
    write_checkpoint(path, UpsamplerSpec(json.dumps(config), SEED))


def _latent(setting: Setting, size: Size, batch: int, blocks: int) -> TensorPass:
    name = f"latent_{'x'.join(map(str, size))}" + ("" if batch == 1 else f"_b{batch}")
    shape = (batch, setting.config.vae.latent_channels, *size)
    values = normal_like(input_seed(), f"upsampler.{name}", 0, math.prod(shape), "cpu")
    # Numbers that bfloat16 holds exactly, so that all precisions see the same.
    latent = values.view(shape).to(torch.bfloat16).float()
    return TensorPass(name, working={"latent": latent}, settings={"blocks": blocks})


def _case(identifier: str, guards: str, *sizes: Size, batch: int = 1, **more: Any) -> Case:
    """Give a case with a pass for each size; `edits` replaces keys of the upsampler's configuration."""
    edits = more.pop("edits", {})
    blocks = _config(more.get("config", "tiny"), edits)["num_blocks_per_stage"]

    def build(setting: Setting) -> list[Pass]:
        return [_latent(setting, size, batch, blocks) for size in sizes]

    return Case(f"upsampler-{identifier}", guards, build, options={_EDITS: edits}, **more)


UPSAMPLER_CASES = (
    _case(
        "small",
        "height and width apart, one block a side: small enough to be recorded",
        (2, 2, 3),
        edits={"num_blocks_per_stage": 1},
        recorded=True,
    ),
    _case(
        "sizes",
        "odd sizes, one frame, a single place: what meets the padding on all sides",
        (3, 3, 5),
        (1, 4, 3),
        (2, 1, 1),
        drifts=True,
    ),
    _case("batch", "frames of two samples folded apart, and statistics taken along the right axis", (2, 3, 2), batch=2),
    _case(
        "odd-config",
        "other widths and depths: what is read from the file",
        (2, 3, 2),
        edits={"mid_channels": 96, "num_blocks_per_stage": 3},
    ),
    _case(
        "real-size",
        "498 million parameters, 1,024 channels: what a kernel or a reduction does only at width",
        (2, 2, 3),
        config="ltx-2.3-22b",
        real_size=True,
    ),
    _case(
        "full",
        "121 frames of 512x768, as between the stages of a clip of 1024x1536",
        (16, 16, 24),
        config="ltx-2.3-22b",
        dtypes=(torch.bfloat16,),
        real_size=True,
        thorough=True,
    ),
)
