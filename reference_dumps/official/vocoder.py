"""The official vocoder, built by the official loader and called as its pipelines do."""

# Before the official modules, which import torchaudio.
from reference_dumps.official import torchaudio_without_extension  # noqa: F401

# isort: split
import warnings

from ltx_core.loader import SingleGPUModelBuilder
from ltx_core.model.audio_vae import VOCODER_COMFY_KEYS_FILTER, VocoderConfigurator
from ltx_core.model.audio_vae.audio_vae import decode_audio
from ltx_core.types import Audio
from torch import Tensor, nn

from parity.ltx23.terms import Load, TensorPass
from reference_dumps.official.filter_shapes import filters_laid_out_once
from reference_dumps.official.whole import whole


class Decoder(nn.Module):
    """The vocoder, and a module for `decode_audio` to be called by."""

    def __init__(self, vocoder: nn.Module):
        super().__init__()
        self.vocoder = vocoder

    def forward(self, mel: Tensor) -> Audio:
        """Decode mel frames: the audio decoder, which comes first in `decode_audio`, has done its part already."""
        return decode_audio(mel, nn.Identity(), self.vocoder)


def load(request: Load) -> Decoder:
    """Give the live vocoder; BadInputError where the file leaves a parameter without weights."""
    checkpoint = request.files["checkpoint"]
    builder = SingleGPUModelBuilder(
        model_class_configurator=VocoderConfigurator,
        model_path=str(checkpoint),
        model_sd_ops=VOCODER_COMFY_KEYS_FILTER,
    )
    with filters_laid_out_once():
        vocoder = builder.build(device=request.device, dtype=request.dtype)
    if request.release != "1.0.0" and request.device.type == "cpu":
        # The newer release asks autocast for float32, which the CPU's does not offer: it warns and does nothing, and
        # weights in the working precision then meet float32 samples. What autocast does where it works, and the
        # release itself does on MPS, is to widen the loaded weights.
        vocoder.float()
    return whole(Decoder(vocoder), checkpoint)


def call(model: Decoder, forward: TensorPass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    mel = forward.working["mel"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "In CPU autocast, but the target dtype is not supported", UserWarning)
        if mel.shape[0] == 1:
            model(mel)
        else:
            # `decode_audio` is for one clip.
            model.vocoder(mel)
