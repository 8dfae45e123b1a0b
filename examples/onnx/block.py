"""One transformer block of the port, from exported inputs to an ONNX model."""

from pathlib import Path

import onnx
import torch
from safetensors.torch import load_file

from examples.onnx import exporting, graph
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.load import load_transformer
from ltx_port.release import release_named
from ltx_port.transformer.block import Block
from ltx_port.transformer.conditioning import CrossConditioning, StreamConditioning, StreamState
from ltx_port.transformer.perturbation import NO_PERTURBATION, BlockSkips
from ltx_port.transformer.rope import RotaryTable

BLOCK = 0
# What the block receives of each stream, in the order of `_stream`; names are those of the reference's taps.
_RECEIVED = (
    f"block{BLOCK:02d}.{{s}}.in",
    "{s}.modulation.timestep",
    "{s}.modulation.prompt",
    "{s}.context",
    "{s}.self_rope.cos",
    "{s}.self_rope.sin",
    "{s}.self_bias",
    "{s}.cross_rope.cos",
    "{s}.cross_rope.sin",
    "{s}.modulation.av_scale_shift",
    "{s}.modulation.av_gate",
)
INPUTS = tuple(name.format(s=stream) for stream in ("video", "audio") for name in _RECEIVED)
TAPS = ",".join(f"*.pass_*.{name}" for name in INPUTS)
MODEL = "block.onnx"


def make(folder: Path, release: str, target: Path) -> onnx.ModelProto:
    """Export the block with the weights of `folder`, its self-attention's query, key and value in one product."""
    checkpoint = CheckpointFile.open(folder / "weights" / "checkpoint.safetensors")
    model = load_transformer(checkpoint, torch.device("cpu"), torch.float32, release_named(release))
    given = load_file(folder / "given.safetensors")
    inputs = {name: given[f"transformer.pass_cond.{name}"] for name in INPUTS}
    made = exporting.export(exporting.Shown(model.blocks[BLOCK], _call), inputs, target, folded=True)
    for stream in ("video", "audio"):
        attention = f"{stream}/self_attn/attn"
        graph.fuse_projections(made, [f"{attention}/to_{part}" for part in "qkv"], f"{attention}/qkv")
        # The stream as it came in, so that a runtime that was fed another is found out.
        graph.echo(made, f"block{BLOCK:02d}.{stream}.in", f"{stream}/in")
    graph.save(made, target)
    return made


def _call(block: Block, *inputs: torch.Tensor) -> None:
    half = len(inputs) // 2
    block(_stream(*inputs[:half]), _stream(*inputs[half:]), BlockSkips(BLOCK, [NO_PERTURBATION]))


def _stream(*given: torch.Tensor) -> StreamState:
    tokens, timestep, prompt, context, cos, sin, bias, cross_cos, cross_sin, scale_shift, gate = given
    cross = CrossConditioning(RotaryTable(cross_cos, cross_sin), scale_shift, gate)
    # A block does not read the embedded timestep, which is the head's: anything of its shape will do.
    embedded = timestep[..., : tokens.shape[-1]]
    conditioning = StreamConditioning(
        True, timestep, embedded, prompt, context, None, RotaryTable(cos, sin), bias, cross
    )
    return StreamState(tokens, conditioning)
