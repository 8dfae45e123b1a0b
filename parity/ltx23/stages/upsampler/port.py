"""The port, as the harness runs it."""

from torch import nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.upsampler import UpsampleVideo, load_upsampler
from ltx_port.upsampler.config import UpsamplerFile
from parity.ltx23.refusals import refusals
from parity.ltx23.terms import Load, TensorPass


def load(request: Load) -> UpsampleVideo:
    """Give the port with its files' weights; BadInputError where it refuses one. The releases do not differ."""
    with refusals():
        file = UpsamplerFile.open(request.files["upsampler"])
        checkpoint = CheckpointFile.open(request.files["checkpoint"])
        return load_upsampler(file, checkpoint, request.device, request.dtype)


def call(model: nn.Module, forward: TensorPass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model(forward.working["latent"])
