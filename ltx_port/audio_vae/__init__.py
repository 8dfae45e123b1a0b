"""The LTX-2.3 audio autoencoder: a waveform or log-mel frames to the latent, and the latent to log-mel frames."""

from ltx_port.audio_vae.decoder import AudioDecoder
from ltx_port.audio_vae.encoder import AudioEncoder, WaveformEncoder
from ltx_port.audio_vae.front_end import LogMelFrontEnd
from ltx_port.audio_vae.load import load_audio_decoder, load_audio_encoder

__all__ = [
    "AudioDecoder",
    "AudioEncoder",
    "LogMelFrontEnd",
    "WaveformEncoder",
    "load_audio_decoder",
    "load_audio_encoder",
]
