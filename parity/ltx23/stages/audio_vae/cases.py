"""The probe matrix of the audio autoencoder."""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from parity.ltx23.stage import Case, Pass, Setting, TensorPass
from parity.ltx23.stages.audio_vae import inputs

_DDCONFIG = "audio_vae.model.params.ddconfig"
# A fraction of the tiny widths, so that dumps stay small: 16 mel bins, 8 channels.
_NARROW: Mapping[str, Any] = {
    f"{_DDCONFIG}.ch": 8,
    f"{_DDCONFIG}.mel_bins": 16,
    "audio_vae.preprocessing.mel.n_mel_channels": 16,
    "vocoder.bwe.num_mels": 16,
    "transformer.audio_in_channels": 8,
    "transformer.audio_out_channels": 8,
}
# What no code has as its default, and widths that fall and rise again.
_ODD: Mapping[str, Any] = {
    **_NARROW,
    f"{_DDCONFIG}.ch_mult": [3, 1, 2],
    f"{_DDCONFIG}.num_res_blocks": 1,
    "audio_vae.preprocessing.stft.filter_length": 600,
}


def _decode(setting: Setting, name: str, frames: int, batch: int = 1) -> TensorPass:
    part = setting.config.audio_vae.model.params.ddconfig
    shape = (part.z_channels, frames, part.mel_bins // 4)
    return TensorPass(name, working={"latent": inputs.latent(name, batch, shape)})


def _encode(setting: Setting, name: str, frames: int, batch: int = 1) -> TensorPass:
    part = setting.config.audio_vae.model.params.ddconfig
    return TensorPass(name, working={"mel": inputs.mel(name, batch, (part.in_channels, frames, part.mel_bins))})


def _wave(setting: Setting, name: str, samples: int, rate: int, batch: int = 1) -> TensorPass:
    channels = setting.config.audio_vae.model.params.ddconfig.in_channels
    # The front end works in the waveform's dtype, and audio files are read in float32.
    wave = inputs.waveform(name, batch, channels, samples)
    return TensorPass(name, fixed={"waveform": wave}, settings={"sampling_rate": rate})


def _narrow_wave(setting: Setting, name: str, samples: int, rate: int) -> TensorPass:
    wave = _wave(setting, name, samples, rate)
    return TensorPass(name, working=wave.fixed, settings=wave.settings)


def _case(identifier: str, guards: str, build: Callable[[Setting], list[TensorPass]], **more: Any) -> Case:
    def passes(setting: Setting) -> list[Pass]:
        return list(build(setting))

    return Case(f"audio-vae-{identifier}", guards, passes, **more)


AUDIO_VAE_CASES = (
    _case(
        "small",
        "both ways once, narrow: small enough to be recorded",
        lambda s: [_decode(s, "decode", 2), _wave(s, "wave_48k", 2400, 48000)],
        config_edits=_NARROW,
        recorded=True,
        drifts=True,
    ),
    _case(
        "decode",
        "lengths: the single frame that all padding meets, and two",
        lambda s: [_decode(s, "frames_1", 1), _decode(s, "frames_2", 2)],
    ),
    _case(
        "decode-batch",
        "faults of broadcasting: two samples that differ in everything; longer, and of odd length",
        lambda s: [_decode(s, "frames_4", 4, batch=2), _decode(s, "frames_7", 7)],
        config_edits=_NARROW,
    ),
    _case(
        "encode",
        "lengths: the single frame that all padding meets, and 4T-3 frames",
        lambda s: [_encode(s, "frames_1", 1), _encode(s, "frames_5", 5)],
    ),
    _case(
        "encode-batch",
        "faults of broadcasting: two samples; lengths that no latent decodes to",
        lambda s: [_encode(s, "frames_6", 6, batch=2), _encode(s, "frames_16", 16), _encode(s, "frames_19", 19)],
        config_edits=_NARROW,
    ),
    _case(
        "wave",
        "each way of coming to 16 kHz: not at all, from 44.1 and 48 kHz, and from below; two samples",
        lambda s: [
            _wave(s, "wave_16k", 1701, 16000, batch=2),
            _wave(s, "wave_44k1", 2801, 44100),
            _wave(s, "wave_48k", 4102, 48000, batch=2),
            _wave(s, "wave_11k025", 803, 11025),
        ],
        config_edits=_NARROW,
        drifts=True,
    ),
    _case(
        "wave-narrow",
        "a waveform in the working precision, as the retake pipeline of 1.0.0 hands it over",
        lambda s: [_narrow_wave(s, "narrow_16k", 1301, 16000), _narrow_wave(s, "narrow_44k1", 2801, 44100)],
        config_edits=_NARROW,
        dtypes=(torch.bfloat16,),
        drifts=True,
    ),
    _case(
        "odd-config",
        "what is read from the checkpoint: other widths, fewer blocks, another transform",
        lambda s: [_decode(s, "decode", 2), _wave(s, "wave_16k", 1300, 16000)],
        config_edits=_ODD,
    ),
    _case(
        "real-size",
        "the real configuration, 53 million parameters, at the smallest lengths that meet every step",
        lambda s: [_decode(s, "decode", 2), _wave(s, "wave_48k", 2400, 48000)],
        config="ltx-2.3-22b",
        real_size=True,
    ),
    _case(
        "full",
        "the 126 latent frames of five seconds",
        lambda s: [_decode(s, "decode", 126)],
        config="ltx-2.3-22b",
        dtypes=(torch.bfloat16,),
        real_size=True,
        thorough=True,
    ),
)
