"""Whole generations, from a prompt to frames and sound."""

import torch

from parity.ltx23.stage import SEED, Stage
from parity.ltx23.stages.pipeline.cases import PIPELINE_CASES
from parity.ltx23.stages.pipeline.faults import FAULTS
from parity.ltx23.stages.pipeline.plan import HERE, plan
from parity.ltx23.stages.pipeline.port import call, load
from parity.ltx23.synthetic.model_folder import (
    write_distilled_lora,
    write_gemma_root,
    write_picture,
    write_style_lora,
    write_upsampler,
)

PIPELINE = Stage(
    id="pipeline",
    shows="whole generations by every route: contexts, latents of every step, frames and sound",
    cases=PIPELINE_CASES,
    plan=plan,
    load=load,
    call=call,
    official="pipeline",
    budgets=HERE / "budgets.toml",
    components=(),
    faults=tuple(FAULTS),
    files={
        "upsampler": lambda path, _: write_upsampler(path, SEED),
        "distilled_lora": lambda path, _: write_distilled_lora(path, SEED),
        "lora": lambda path, _: write_style_lora(path, SEED),
        "gemma": lambda path, _: write_gemma_root(path, SEED),
        "picture": lambda path, _: write_picture(path),
    },
    seen_behind={"pipeline.states": "prompt.video"},
    # The official pipelines compute in bfloat16, whatever they are asked: there is nothing wider to hold them against.
    truths={torch.bfloat16: torch.bfloat16},
    # What has weights is loaded by the run itself, and is not even in the tree of modules.
    proven_elsewhere=(
        "pipeline.schedule",
        "pipeline.picture",
        *(f"pipeline.{stage}.{part}" for stage in ("first", "second") for part in ("prepare", "loop", "restore")),
    ),
)
