"""The port, as the harness runs it."""

from torch import nn

from ltx_port.audio_vae import WaveformEncoder, load_audio_decoder, load_audio_encoder
from ltx_port.checkpoint.file import CheckpointFile
from parity.ltx23.refusals import refusals
from parity.ltx23.stage import Load, TensorPass


def load(request: Load) -> nn.ModuleDict:
    """Give both halves with the checkpoint's weights; BadInputError where the port refuses the file.

    The releases do not differ in this component.
    """
    with refusals():
        checkpoint = CheckpointFile.open(request.files["checkpoint"])
        encoder = load_audio_encoder(checkpoint, request.device, request.dtype)
        decoder = load_audio_decoder(checkpoint, request.device, request.dtype)
    return nn.ModuleDict({"encode": encoder, "decoder": decoder})


def call(model: nn.Module, forward: TensorPass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    assert isinstance(model, nn.ModuleDict)
    encode, tensors = model["encode"], {**forward.working, **forward.fixed}
    assert isinstance(encode, WaveformEncoder)
    if "latent" in tensors:
        model["decoder"](tensors["latent"])
    elif "mel" in tensors:
        encode.encoder(tensors["mel"])
    else:
        encode(tensors["waveform"], forward.settings["sampling_rate"])
