"""The foreign runtime: reads exported inputs, runs an ONNX model, writes what it computed. It knows no torch.

Everything here is what a port in another language does: read manifest.json and safetensors, compute, write a
safetensors file under names of its own, and repeat the identity of the inputs.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

Arrays = dict[str, NDArray[np.generic]]


def run(model: Path, folder: Path, target: Path, options: onnxruntime.SessionOptions | None = None) -> None:
    """Run every pass of the folder; tensors are called `pass/output`."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    inputs = load_file(folder / manifest["inputs"])
    given = load_file(folder / manifest["given"]["file"]) if manifest["given"] else {}
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    outputs = [one.name for one in session.get_outputs()]
    computed: Arrays = {}
    for one in manifest["passes"]:
        fed = {i.name: _find(i.name, one["name"], manifest["stage"], inputs, given) for i in session.get_inputs()}
        for name, value in zip(outputs, session.run(outputs, fed), strict=True):
            computed[f"{one['name']}/{name}"] = np.ascontiguousarray(value)
    save_file(computed, target, metadata={"parity_identity": manifest["identity"]})


def _find(name: str, pass_name: str, stage: str, inputs: Arrays, given: Arrays) -> NDArray[np.generic]:
    """Give an input of the graph: a tap of the reference, or an input of the pass."""
    tap = f"{stage}.{pass_name}.{name}"
    return given[tap] if tap in given else inputs[f"{pass_name}.{name}"]
