"""The weights of a Gemma 3 root folder, in as many files as they were published in."""

from collections.abc import Collection
from pathlib import Path

import torch
from torch import Tensor

from ltx_port.checkpoint.tensor_file import TensorFile
from ltx_port.errors import InputError

GEMMA_ROOT = "give the root folder of Gemma 3 as published, with its config.json and model*.safetensors"


class GemmaFile(TensorFile):
    """One of the files; it needs no metadata."""

    right_file = GEMMA_ROOT


class GemmaWeights:
    """The tensors of all files together: a source to load from.

    InputError for a folder without such files, for a file that is not whole, and for a key that two files have.
    """

    def __init__(self, root: Path):
        self.path = root
        files = [GemmaFile.open(path) for path in sorted(root.glob("model*.safetensors"))]
        if not files:
            raise InputError(str(root), "no model*.safetensors", "the weights of Gemma 3", GEMMA_ROOT)
        self._files: dict[str, GemmaFile] = {}
        for file in files:
            for key in file.keys():  # noqa: SIM118  (not a mapping)
                if key in self._files:
                    got = f"also in {self._files[key].path.name}"
                    raise InputError(f"{file.path}: {key}", got, "each key in one file", "remove one of the two files")
                self._files[key] = file

    def keys(self) -> Collection[str]:
        """Give the keys of all tensors, those of the vision tower too."""
        return self._files.keys()

    def shape(self, key: str) -> tuple[int, ...]:
        """Give a tensor's shape."""
        return self._files[key].shape(key)

    def read(self, key: str, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
        """Read one tensor onto `device`, in `dtype` where that is given."""
        return self._files[key].read(key, device, dtype)

    def read_to_host(self, key: str, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
        """Read one tensor into host memory."""
        return self._files[key].read_to_host(key, device, dtype)
