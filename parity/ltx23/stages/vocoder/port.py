"""The port's vocoder, as the harness runs it."""

from torch import nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.release import release_named
from ltx_port.vocoder import SoundDecoder
from ltx_port.vocoder.load import load_vocoder
from parity.ltx23.refusals import refusals
from parity.ltx23.stage import Load, TensorPass


def load(request: Load) -> SoundDecoder:
    """Give the port with the checkpoint's weights; BadInputError where the port refuses the file."""
    with refusals():
        checkpoint = CheckpointFile.open(request.files["checkpoint"])
        return SoundDecoder(load_vocoder(checkpoint, request.device, request.dtype, release_named(request.release)))


def call(model: nn.Module, forward: TensorPass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    assert isinstance(model, SoundDecoder)
    mel = forward.working["mel"]
    if mel.shape[0] == 1:
        model(mel)
    else:
        # Sound is one clip; the vocoder alone takes several.
        model.vocoder(mel)
