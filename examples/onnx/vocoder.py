"""The port's vocoder, from exported inputs to an ONNX model."""

from pathlib import Path

import onnx
import torch
from safetensors.torch import load_file

from examples.onnx import exporting, graph
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.release import release_named
from ltx_port.vocoder import Vocoder
from ltx_port.vocoder.load import load_vocoder

MODEL = "vocoder.onnx"


def make(folder: Path, release: str, target: Path) -> onnx.ModelProto:
    """Export the vocoder with the weights of `folder`; its sound is interleaved, as files and devices have it."""
    checkpoint = CheckpointFile.open(folder / "weights" / "checkpoint.safetensors")
    model = load_vocoder(checkpoint, torch.device("cpu"), torch.float32, release_named(release))
    (mel,) = load_file(folder / "inputs.safetensors").values()
    received = ("generator.conv_in", "extension.generator.conv_in")
    made = exporting.export(exporting.Shown(model, Vocoder.forward, received), {"mel": mel}, target, folded=False)
    graph.echo(made, "mel", "mel/in")
    graph.interleave(made, "extension/clip", "pcm")
    graph.save(made, target)
    return made
