"""A torch module as an ONNX model that also shows what each of its leaves computes, under names of its own."""

import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn


class Shown(nn.Module):
    """Runs a module on named tensors; gives what every leaf gave, in the order of the run.

    A leaf's output is called by its path with slashes; several are stacked into one, as a runtime with one tensor for
    scale and shift has them. `received` names leaves whose first input is shown as well, as `path/in`.
    """

    def __init__(self, inner: nn.Module, call: Callable[..., object], received: tuple[str, ...] = ()):
        super().__init__()
        self.inner, self.call, self.received = inner, call, received
        self.names: list[str] = []

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        seen: dict[str, Tensor] = {}
        hooks = []
        for path, module in self.inner.named_modules():
            name = path.replace(".", "/")
            if path in self.received:
                hooks.append(
                    module.register_forward_pre_hook(lambda m, given, n=name: _keep(seen, f"{n}/in", given[0]))
                )
            if path and not any(module.children()):
                hooks.append(module.register_forward_hook(lambda m, given, out, n=name: _keep(seen, n, out)))
        try:
            self.call(self.inner, *inputs)
        finally:
            for hook in hooks:
                hook.remove()
        self.names = list(seen)
        return tuple(seen.values())


def _keep(seen: dict[str, Tensor], name: str, value: Tensor | tuple[Tensor, ...]) -> None:
    # A copy, so that an output that is also an input (or another output) is a value of its own in the graph.
    seen[name] = value.clone() if isinstance(value, Tensor) else torch.stack(list(value))


def export(shown: Shown, inputs: Mapping[str, Tensor], path: Path, folded: bool) -> onnx.ModelProto:
    """Export with the inputs' names; outputs have the names that `shown` gives them.

    `folded` computes what depends on weights alone, so that a projection is a product with a constant: this takes as
    long as all else, and onnxruntime does it again.
    """
    given = tuple(inputs.values())
    with torch.no_grad(), warnings.catch_warnings():
        # The exporter warns of itself: of its own deprecated calls, and of packages that it looks for.
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        shown.eval()(*given)
        program = torch.onnx.export(
            shown,
            given,
            input_names=list(inputs),
            output_names=shown.names,
            dynamo=True,
            verbose=False,
            optimize=folded,
        )
        assert program is not None
        program.save(path)
    return onnx.load(path)
