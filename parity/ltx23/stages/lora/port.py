"""The port, as the harness runs it."""

from dataclasses import dataclass

from torch import nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.key_map import TRANSFORMER_PREFIX
from ltx_port.checkpoint.load import load_transformer
from ltx_port.lora import Lora, LoraFile, LoraFusion
from ltx_port.release import release_named
from ltx_port.transformer.model import Transformer
from parity.ltx23.refusals import refusals
from parity.ltx23.stages.lora.passes import ADAPTERS, FusePass, file_name, fused_layers
from parity.ltx23.terms import Load


@dataclass(frozen=True)
class Loaded:
    """The transformer: not a module of the stage, which looks at its weights and does not run it."""

    transformer: Transformer


class Fusing(nn.Module):
    """The fusion, done again to be watched, and the transformer that was loaded through it."""

    def __init__(self, fusion: LoraFusion, checkpoint: CheckpointFile, request: Load):
        super().__init__()
        self.fusion = fusion
        self._checkpoint, self._request = checkpoint, request
        self.load()

    def load(self, fused: bool = True) -> None:
        """Load the transformer through the fusion as it is now (again after a fault was planted), or past it."""
        device, dtype = self._request.device, self._request.dtype
        if fused:
            self.loaded = Loaded(self.fusion.load_transformer(device, dtype))
        else:
            self.loaded = Loaded(load_transformer(self._checkpoint, device, dtype))

    def forward(self) -> None:
        """Fuse each layer as loading does."""
        for layer in fused_layers(self._request.options[ADAPTERS]):
            self.fusion.read(f"{TRANSFORMER_PREFIX}{layer}.weight", self._request.device, self._request.dtype)


def load(request: Load) -> Fusing:
    """Give the fusion of the case's files; BadInputError where the port refuses one."""
    with refusals():
        checkpoint = CheckpointFile.open(request.files["checkpoint"])
        loras = [
            Lora(LoraFile.open(request.files[file_name(number)]), adapter.strength)
            for number, adapter in enumerate(request.options[ADAPTERS])
        ]
        return Fusing(LoraFusion(checkpoint, loras, release_named(request.release)), checkpoint, request)


def call(model: nn.Module, _: FusePass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model()
