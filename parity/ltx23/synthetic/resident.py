"""A synthetic checkpoint's weights, made on the device that uses them: no file has to hold 38 GB."""

from pathlib import Path

import torch
from torch import Tensor

from parity.ltx23.synthetic.spec import FileSpec
from parity.ltx23.synthetic.tensor import SyntheticTensor


class ResidentWeights:
    """The tensors of the file that a spec describes, the same numbers on any device.

    `shared`: each tensor is made once and handed to every implementation, which must leave it as it is; otherwise each
    read makes one of its own.
    """

    def __init__(self, spec: FileSpec, path: Path, device: torch.device, shared: bool = False):
        self.path, self.dtype, self.device = path, spec.dtype, device
        self._spec, self._shared = spec, shared
        self._shapes = spec.shapes()
        self._made: dict[tuple[str, torch.dtype], Tensor] = {}

    def keys(self) -> list[str]:
        """Give the official keys."""
        return list(self._shapes)

    def shape(self, key: str) -> tuple[int, ...]:
        """Give a tensor's shape."""
        return tuple(self._shapes[key])

    def read(self, key: str, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
        """Give one tensor on a device, rounded to the file's dtype and then to `dtype`."""
        wanted = dtype or self.dtype
        found = self._made.get((key, wanted))
        if found is None:
            tensor = SyntheticTensor(key, self.shape(key), self._spec.seed, self._spec.profile, self.device)
            values = tensor.read(0, tensor.numel).to(self.dtype)
            found = values.to(wanted).view(self.shape(key))
            if self._shared:
                self._made[key, wanted] = found
        return found.to(device)

    def read_to_host(self, key: str, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
        """Give one tensor in host memory; the device changes none of its bits."""
        return self.read(key, "cpu", dtype)
