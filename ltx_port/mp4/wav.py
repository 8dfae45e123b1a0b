"""Sound alone, to a WAV file."""

import wave
from pathlib import Path

import torch

from ltx_port.errors import InputError
from ltx_port.mp4.disk import wav_bytes
from ltx_port.mp4.publish import published, require_file_target, require_room, system_errors
from ltx_port.mp4.sound import PcmSamples
from ltx_port.vocoder.sound import Sound


def write_wav(path: Path, sound: Sound) -> None:
    """Write 16-bit PCM at the sound's rate: the samples that an MP4 would have encoded.

    Raises InputError for a path that cannot be written, a full disk, and samples that are not finite.
    """
    require_file_target(path)
    if not sound.waveform.isfinite().all():
        raise InputError("sound", "NaN or infinity", "finite samples", "look for their origin in the vocoder")
    samples = PcmSamples()(sound.waveform)
    require_room(path, wav_bytes(len(samples)))
    with published(path) as partial, system_errors(path), wave.open(str(partial), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(torch.int16.itemsize)
        file.setframerate(sound.sampling_rate)
        file.writeframes(samples.cpu().numpy().astype("<i2").tobytes())
