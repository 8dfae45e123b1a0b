"""The probe matrix of LoRA fusion."""

from pathlib import Path
from typing import Any

import torch

from parity.ltx23.configs import config_text
from parity.ltx23.stage import SEED, Case, Pass, Setting, input_seed
from parity.ltx23.stages.lora.passes import ADAPTERS, Adapter, FusePass
from parity.ltx23.synthetic.lora_file import LoraSpec
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.write import write_checkpoint

FILES = 4
"""The most LoRAs that a case has."""

_BLOCK = "transformer_blocks.0"
_ATTENTION = tuple(f"{_BLOCK}.attn1.{part}" for part in ("to_q", "to_k", "to_v", "to_out.0", "to_gate_logits"))
_EXCHANGE = (f"{_BLOCK}.audio_to_video_attn.to_q", f"{_BLOCK}.video_to_audio_attn.to_k")
_FEED_FORWARD = tuple(f"{_BLOCK}.{part}" for part in ("ff.net.0.proj", "ff.net.2", "audio_ff.net.0.proj"))
_ENDS = ("patchify_proj", "proj_out", "adaln_single.linear", "audio_adaln_single.emb.timestep_embedder.linear_1")
# Narrow ones, to be recorded.
_AUDIO = tuple(f"{_BLOCK}.{part}" for part in ("audio_attn1.to_q", "audio_attn2.to_k", "audio_attn1.to_gate_logits"))


def _case(identifier: str, guards: str, *adapters: Adapter, shown: tuple[str, ...] | None = None, **more: Any) -> Case:
    def build(_: Setting) -> list[Pass]:
        return [FusePass("fuse", adapters, shown)]

    return Case(f"lora-{identifier}", guards, build, layers=1, options={ADAPTERS: adapters}, **more)


def write_adapter(number: int, path: Path, case: Case) -> None:
    """Write a file of the case's LoRAs; an empty one where it has fewer."""
    adapters = case.options[ADAPTERS]
    if number >= len(adapters):
        path.touch()
        return
    adapter: Adapter = adapters[number]
    config = CheckpointSpec(config_text(case.config), SEED, num_layers=case.layers).resolved_config()
    # Another seed for each, or two LoRAs of one layer would be the same numbers.
    seed = input_seed() + 1 + number
    spec = LoraSpec(config, adapter.layers, adapter.rank, seed, adapter.dtype, prefix=adapter.prefix)
    write_checkpoint(path, spec)


LORA_CASES = (
    _case(
        "small",
        "two LoRAs that share some layers: small enough to be recorded",
        Adapter(_AUDIO[:2], 4, 0.8),
        Adapter(_AUDIO[1:], 3, -0.35),
        shown=(*(f"{layer}.weight" for layer in _AUDIO), f"{_BLOCK}.audio_attn1.to_q.bias"),
        recorded=True,
    ),
    _case(
        "kinds",
        "every kind of layer; ranks and strengths apart, partial coverage, keys with the prefix and without",
        Adapter((*_ATTENTION, *_FEED_FORWARD, *_ENDS), 4, 0.8),
        Adapter((*_ATTENTION[:2], *_EXCHANGE, *_FEED_FORWARD[1:], _ENDS[2]), 7, -0.35, prefix=""),
        drifts=True,
    ),
    _case(
        "many",
        "four LoRAs of one layer: the order of rounding and summing; one at strength 0, one given twice the rank",
        *(
            Adapter((_ATTENTION[0], _FEED_FORWARD[2]), rank, strength)
            for rank, strength in ((4, 1.0), (8, 0.45), (3, 0.0), (5, -1.3))
        ),
    ),
    _case(
        "wide-files",
        "factors in float32 and float16 files: where they are rounded",
        Adapter(_ATTENTION[:3], 4, 0.7, torch.float32),
        Adapter(_ATTENTION[1:], 6, 1.1, torch.float16),
    ),
)
