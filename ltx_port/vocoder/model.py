"""The whole vocoder: mel frames of both channels in, sound at the higher rate out."""

from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.checkpoint.audio_config import VocoderConfig
from ltx_port.errors import InputError
from ltx_port.release import NEWEST, Release
from ltx_port.vocoder.bandwidth import BandwidthExtension
from ltx_port.vocoder.generator import Clip, Generator


class Vocoder(nn.Module):
    """Generates the waveform at the rate of the mel frames, then extends its bandwidth."""

    def __init__(self, config: VocoderConfig, release: Release = NEWEST):
        super().__init__()
        self.release = release
        self.mel_bins = config.bwe.num_mels
        self.sampling_rate = config.bwe.output_sampling_rate
        self.generator = Generator(config.vocoder, self.mel_bins)
        self.clip = Clip()
        self.extension = BandwidthExtension(config.bwe)

    def forward(self, mel: Float[Tensor, "batch channels frames bins"]) -> Float[Tensor, "batch 2 samples"]:
        """Give samples within -1 .. 1 at `sampling_rate` in the dtype of `mel`, which is log-mel frames in stereo.

        Raises InputError for frames of another shape.
        """
        if mel.shape[1] != 2 or mel.shape[2] == 0 or mel.shape[3] != self.mel_bins:
            raise self._misshapen(mel)
        # Rounded on the way in and out, whatever is computed between: the mel frames come in the working precision.
        frames = mel.float() if self.release.vocoder_float32 else mel
        return self.extension(self.clip(self.generator(frames))).to(mel.dtype)

    def _misshapen(self, mel: Tensor) -> InputError:
        expected = f"(batch, 2, 1 or more frames, {self.mel_bins})"
        return InputError("vocoder", f"mel frames {tuple(mel.shape)}", expected, "give the audio decoder's output")
