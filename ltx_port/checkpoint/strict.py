"""Strict loading: every tensor of a component has its key, every key its tensor, and all of them are finite."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from ltx_port.checkpoint.finite import all_finite
from ltx_port.checkpoint.tensor_file import TensorSource
from ltx_port.errors import InputError


@dataclass(frozen=True)
class Part:
    """What of a file belongs to one component.

    `keys` maps the component's own tensor names to the official keys. All keys of the file that begin with one of
    `prefixes`, and with none of `except_prefixes`, must be among them. `right_file` says what to do where that fails.
    """

    name: str
    keys: Mapping[str, str]
    prefixes: tuple[str, ...]
    except_prefixes: tuple[str, ...] = ()
    right_file: str = "use a whole LTX-2.3 checkpoint, or correct its config"

    def owns(self, key: str) -> bool:
        """Whether an official key belongs to this component."""
        # An empty tuple of exceptions matches nothing.
        return key.startswith(self.prefixes) and not key.startswith(self.except_prefixes)


def load_strictly(
    model: nn.Module,
    checkpoint: TensorSource,
    part: Part,
    device: torch.device,
    dtype: torch.dtype,
    on_host: tuple[str, ...] = (),
) -> None:
    """Load a component built on the meta device: parameters and persistent buffers, on `device`, in `dtype`.

    Tensors whose names begin with one of `on_host` stay in host memory, for `ltx_port.offload` to bring to the device.
    One tensor at a time is held besides the weights: on the CPU and in the file's own dtype they are the mapped file.
    InputError names the first key that is missing, unknown, misshapen or not finite, and counts the rest.
    """
    tensors = model.state_dict()
    assert tensors.keys() == part.keys.keys(), f"{part.name}: key map and module differ"
    shapes = {part.keys[name]: tuple(tensor.shape) for name, tensor in tensors.items()}
    present = {key for key in checkpoint.keys() if part.owns(key)}  # noqa: SIM118  (not a mapping)
    _refuse("missing", shapes.keys() - present, checkpoint, part)
    _refuse("unknown", present - shapes.keys(), checkpoint, part)
    for key, shape in shapes.items():
        if checkpoint.shape(key) != shape:
            raise InputError(
                f"{checkpoint.path}: {key}",
                f"shape {checkpoint.shape(key)}",
                f"{shape} from its own config",
                "these weights and their config do not belong together; get them again",
            )
    weights = {}
    for name, key in part.keys.items():
        read = checkpoint.read_to_host if name.startswith(on_host) else checkpoint.read
        weights[name] = _finite(read(key, device, dtype), f"{checkpoint.path}: {key}")
    model.load_state_dict(weights, strict=True, assign=True)
    model.requires_grad_(False)


def _finite(weight: torch.Tensor, where: str) -> torch.Tensor:
    if not all_finite(weight):
        raise InputError(
            where,
            f"NaN or infinity in {weight.dtype}",
            "finite weights",
            "get the file again; if it is whole, load it in a wider dtype",
        )
    return weight


def _refuse(kind: str, keys: Iterable[str], checkpoint: TensorSource, part: Part) -> None:
    offenders = sorted(keys)
    if offenders:
        raise InputError(
            f"{checkpoint.path}: {offenders[0]}",
            f"{kind} {part.name} key ({len(offenders)} in all)",
            "exactly the keys that its own config asks for",
            part.right_file,
        )
