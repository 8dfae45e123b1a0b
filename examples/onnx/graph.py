"""Changes of an ONNX graph: the layouts of a deployment, and faults of the kind that deployments have."""

from collections.abc import Sequence
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper, numpy_helper


def save(model: ModelProto, path: Path) -> None:
    """Check the graph and write it, its nodes in an order in which they can run, without weights that none reads."""
    _sort(model)
    used = {name for node in model.graph.node for name in node.input}
    for unused in [one for one in model.graph.initializer if one.name not in used]:
        model.graph.initializer.remove(unused)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def echo(model: ModelProto, source: str, output: str) -> None:
    """Show an input of the graph as an output."""
    model.graph.node.append(helper.make_node("Identity", [source], [output]))
    (given,) = [one for one in model.graph.input if one.name == source]
    _show(model, output, len(given.type.tensor_type.shape.dim))


def interleave(model: ModelProto, source: str, output: str) -> None:
    """Show [1, channels, samples] as [samples, channels]."""
    batch = _constant(model, f"{output}/batch", np.array([0], dtype=np.int64))
    model.graph.node.append(helper.make_node("Squeeze", [source, batch], [f"{output}/planes"]))
    model.graph.node.append(helper.make_node("Transpose", [f"{output}/planes"], [output], perm=[1, 0]))
    _show(model, output, 2)


def fuse_projections(model: ModelProto, outputs: Sequence[str], fused: str) -> None:
    """Compute several projections of one tensor in one product, and show that in the place of the parts."""
    matmuls, adds = zip(*(_projection(model, name) for name in outputs), strict=True)
    (shared,) = {matmul.input[0] for matmul in matmuls}
    weights = [_array(model, matmul.input[1]) for matmul in matmuls]
    biases = [_array(model, _bias(add, matmul)) for add, matmul in zip(adds, matmuls, strict=True)]
    weight = _constant(model, f"{fused}/weight", np.concatenate(weights, axis=1))
    bias = _constant(model, f"{fused}/bias", np.concatenate(biases))
    sizes = _constant(model, f"{fused}/sizes", np.array([len(b) for b in biases], dtype=np.int64))
    inner = [add.output[0] for add in adds]
    for node in (*matmuls, *adds):
        model.graph.node.remove(node)
    model.graph.node.extend([
        helper.make_node("MatMul", [shared, weight], [f"{fused}/product"]),
        helper.make_node("Add", [f"{fused}/product", bias], [fused]),
        helper.make_node("Split", [fused, sizes], inner, axis=-1),
    ])  # fmt: skip
    for name in outputs:
        _hide(model, name)
    _show(model, fused, 3)


def scale_weight(model: ModelProto, output: str, factor: float) -> None:
    """Plant a fault: the weight of the projection that gives `output` is multiplied."""
    matmul, _ = _projection(model, output)
    _replace(model, matmul, 1, _array(model, matmul.input[1]) * np.float32(factor))


def exchange_parts(model: ModelProto, fused: str, first: int, second: int) -> None:
    """Plant a fault: two thirds of a fused projection have changed places."""
    matmul, add = _projection(model, fused)
    order = [second if part == first else first if part == second else part for part in range(3)]
    for node, name in ((matmul, matmul.input[1]), (add, _bias(add, matmul))):
        parts = np.split(_array(model, name), 3, axis=-1)
        _replace(model, node, list(node.input).index(name), np.concatenate([parts[part] for part in order], axis=-1))


def zero_bias(model: ModelProto, output: str) -> None:
    """Plant a fault: the bias of the convolution that gives `output` is left out."""
    node = _source(model, output, "Conv")
    _replace(model, node, 2, np.zeros_like(_array(model, node.input[2])))


def flip_kernel(model: ModelProto, output: str) -> None:
    """Plant a fault: the kernel of the transposed convolution that gives `output` is read from its end."""
    node = _source(model, output, "ConvTranspose")
    _replace(model, node, 1, np.ascontiguousarray(_array(model, node.input[1])[..., ::-1]))


def interleave_rope(model: ModelProto, normed: str, rotated: str, heads: int) -> None:
    """Plant a fault: rotary pairs are neighbours, where the model has them half a head apart."""
    first = _source(model, normed, None).output[0]
    size = next(len(_array(model, name)) for name in _source(model, normed, None).input if _is_constant(model, name))
    # The channel that belongs at each place of the split order, where neighbours are pairs.
    order = np.arange(size).reshape(heads, -1, 2).swapaxes(1, 2).reshape(-1)
    read = _constant(model, f"{rotated}/to_split", order.astype(np.int64))
    back = _constant(model, f"{rotated}/to_neighbours", np.argsort(order).astype(np.int64))
    last = _source(model, rotated, None)
    raw = last.output[0]
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == first and node.op_type == "Reshape":
                node.input[index] = f"{rotated}/read"
    last.output[0] = f"{raw}/turned"
    model.graph.node.append(helper.make_node("Gather", [first, read], [f"{rotated}/read"], axis=-1))
    model.graph.node.append(helper.make_node("Gather", [f"{raw}/turned", back], [raw], axis=-1))


def _projection(model: ModelProto, output: str) -> tuple[NodeProto, NodeProto]:
    """Give the product and the sum that make `output`."""
    add = _source(model, output, "Add")
    (matmul,) = [node for node in model.graph.node if node.op_type == "MatMul" and node.output[0] in add.input]
    return matmul, add


def _source(model: ModelProto, output: str, kind: str | None) -> NodeProto:
    """Give the node that computes a tensor, behind copies of it."""
    by_output = {name: node for node in model.graph.node for name in node.output}
    node = by_output[output]
    while node.op_type == "Identity":
        node = by_output[node.input[0]]
    assert kind is None or node.op_type == kind, f"{output} is made by {node.op_type}, not {kind}"
    return node


def _bias(add: NodeProto, matmul: NodeProto) -> str:
    (name,) = [name for name in add.input if name != matmul.output[0]]
    return name


def _is_constant(model: ModelProto, name: str) -> bool:
    return any(one.name == name for one in model.graph.initializer)


def _array(model: ModelProto, name: str) -> NDArray[np.float32]:
    (found,) = [one for one in model.graph.initializer if one.name == name]
    return numpy_helper.to_array(found)


def _constant(model: ModelProto, name: str, value: NDArray[np.generic]) -> str:
    model.graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _replace(model: ModelProto, node: NodeProto, index: int, value: NDArray[np.generic]) -> None:
    """Give one node a constant of its own: others may share the one that it had."""
    node.input[index] = _constant(model, f"{node.output[0]}/constant{index}", value)


def _show(model: ModelProto, name: str, axes: int) -> None:
    model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [None] * axes))


def _hide(model: ModelProto, name: str) -> None:
    (output,) = [one for one in model.graph.output if one.name == name]
    model.graph.output.remove(output)


def _sort(model: ModelProto) -> None:
    nodes = list(model.graph.node)
    maker = {name: number for number, node in enumerate(nodes) for name in node.output}
    before = {number: {maker[n] for n in node.input if n in maker} for number, node in enumerate(nodes)}
    ordered = [nodes[number] for number in TopologicalSorter(before).static_order()]
    del model.graph.node[:]
    model.graph.node.extend(ordered)
