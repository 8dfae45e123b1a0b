"""Sound as the pipelines hand it on: one stereo clip in float32, with its rate."""

from typing import NamedTuple

from jaxtyping import Float, Float32
from torch import Tensor, nn

from ltx_port.errors import InputError
from ltx_port.vocoder.model import Vocoder


class Sound(NamedTuple):
    """Samples within -1 .. 1, left then right, and how many there are in a second."""

    waveform: Float32[Tensor, "2 samples"]
    sampling_rate: int


class SoundDecoder(nn.Module):
    """The vocoder for one clip."""

    def __init__(self, vocoder: Vocoder):
        super().__init__()
        self.vocoder = vocoder

    def forward(self, mel: Float[Tensor, "batch channels frames bins"]) -> Sound:
        """Give the sound of one clip's mel frames; InputError for more than one clip."""
        if mel.shape[0] != 1:
            raise InputError("sound", f"a batch of {mel.shape[0]}", "one clip", "decode the clips one by one")
        return Sound(self.vocoder(mel)[0].float(), self.vocoder.sampling_rate)
