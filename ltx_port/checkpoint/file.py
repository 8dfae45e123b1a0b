"""The official single-file checkpoint, with the configuration that it carries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ltx_port.checkpoint.config import CheckpointConfig, parse_config
from ltx_port.checkpoint.tensor_file import TensorFile
from ltx_port.errors import InputError


class CheckpointFile(TensorFile):
    """An opened checkpoint; tensors are read when asked for.

    Opening it raises InputError where its metadata is missing, or it is not an LTX-2.3 checkpoint that this port
    can compute.
    """

    right_file = "use an official LTX-2.3 single-file checkpoint, with its metadata"
    config: CheckpointConfig
    model_version: str

    def __init__(self, path: Path, handle: Any, metadata: Mapping[str, str], identity: tuple[int, int, int, int]):
        super().__init__(path, handle, metadata, identity)
        self.config = parse_config(self._required_metadata("config"), f"{path}: config")
        self.model_version = self._required_metadata("model_version")
        if self.model_version != "2.3" and not self.model_version.startswith("2.3."):
            got = repr(self.model_version)
            raise InputError(f"{path}: model_version", got, "2.3 or 2.3.x", self.right_file)
