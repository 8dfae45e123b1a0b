"""The probe matrix of the vocoder: every case, and the faults it guards against."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from parity.ltx23.stage import Case, Pass, Setting, TensorPass, input_seed
from parity.ltx23.synthetic.weights import normal_like
from parity.store.bits import dtype_name

# Two stages in each generator and a short transform: every kind of step, in few and small tensors.
_SMALL: Mapping[str, Any] = {
    "audio_vae.preprocessing.stft.hop_length": 10,
    "vocoder.vocoder.upsample_initial_channel": 16,
    "vocoder.vocoder.upsample_rates": [5, 2],
    "vocoder.vocoder.upsample_kernel_sizes": [11, 4],
    "vocoder.bwe.upsample_initial_channel": 16,
    "vocoder.bwe.upsample_rates": [6, 5],
    "vocoder.bwe.upsample_kernel_sizes": [12, 11],
    "vocoder.bwe.hop_length": 10,
    "vocoder.bwe.n_fft": 64,
    "vocoder.bwe.win_size": 64,
}
# Nothing as in the checkpoint: twice the rate and not three times, two kernel sizes, waveforms that are no whole number
# of hops (6 samples for a mel frame, hops of 8).
_ODD: Mapping[str, Any] = {
    **_SMALL,
    "audio_vae.preprocessing.stft.hop_length": 6,
    "vocoder.vocoder.upsample_rates": [3, 2],
    "vocoder.vocoder.upsample_kernel_sizes": [5, 6],
    "vocoder.vocoder.resblock_kernel_sizes": [5, 3],
    "vocoder.vocoder.resblock_dilation_sizes": [[1, 2, 4], [3, 1, 2]],
    "vocoder.bwe.upsample_rates": [8, 2],
    "vocoder.bwe.upsample_kernel_sizes": [10, 4],
    "vocoder.bwe.output_sampling_rate": 32000,
    "vocoder.bwe.hop_length": 8,
    "vocoder.bwe.n_fft": 40,
    "vocoder.bwe.win_size": 40,
}
# Log-mel frames of speech lie between silence (-11.5) and about 2.
_MEAN, _SPREAD = -3.0, 2.0
# Spread wide enough for both generators to leave -1 .. 1 often, and not everywhere.
_LOUD = 40.0


@dataclass(frozen=True)
class _Clip:
    """The mel frames of one pass, which has its name."""

    name: str
    frames: int
    batch: int = 1
    spread: float = _SPREAD

    def mel(self, bins: int) -> Tensor:
        """Draw frames [batch, 2, frames, bins] in bfloat16-representable numbers; left and right differ."""
        shape = (self.batch, 2, self.frames, bins)
        count = torch.Size(shape).numel()
        drawn = normal_like(input_seed(), f"vocoder.{self.name}", 0, count, torch.device("cpu")).view(shape)
        mean = torch.tensor([_MEAN, _MEAN / 2]).view(1, 2, 1, 1)
        return (drawn * self.spread + mean).to(torch.bfloat16).float()


def _case(identifier: str, guards: str, *clips: _Clip, **more: Any) -> Case:
    def passes(setting: Setting) -> list[Pass]:
        bins, arithmetic = setting.config.vocoder.bwe.num_mels, _arithmetic(setting)
        return [TensorPass(f"{clip.name}_{arithmetic}", {"mel": clip.mel(bins)}) for clip in clips]

    return Case(identifier, guards, passes, **more)


def _arithmetic(setting: Setting) -> str:
    """Name the precision of what is computed: not always the working one, which tolerance budgets must tell."""
    dtype = setting.dtype if setting.release == "1.0.0" else torch.float32
    return dtype_name(dtype)


VOCODER_CASES = (
    _case(
        "vocoder-small",
        "one clip of three mel frames, two stages each: small enough to be recorded",
        _Clip("clip", frames=3),
        config_edits=_SMALL,
        recorded=True,
        drifts=True,
    ),
    _case(
        "vocoder-clips",
        "two clips that differ, in one batch; a clip so loud that both waveforms leave -1 .. 1",
        _Clip("pair", frames=5, batch=2),
        _Clip("loud", frames=3, spread=_LOUD),
        config_edits=_SMALL,
    ),
    _case(
        "vocoder-odd",
        "rates and sizes that no code has as its default; a waveform that ends within a hop and is cut",
        _Clip("cut", frames=3),
        config_edits=_ODD,
    ),
    _case(
        "vocoder-stages",
        "all stages of the real model at tiny width; the shortest clip, all edge",
        _Clip("shortest", frames=1),
        # The other cases show the same steps in float32; three times as many of them would cost what they do.
        dtypes=(torch.bfloat16,),
    ),
    _case(
        "vocoder-real-size",
        "128.5 M parameters, 1,536 channels: what a kernel or a reduction does only at width",
        _Clip("shortest", frames=1),
        config="ltx-2.3-22b",
        real_size=True,
    ),
    _case(
        "vocoder-full",
        "the 501 mel frames of five seconds",
        _Clip("five_seconds", frames=501),
        config="ltx-2.3-22b",
        dtypes=(torch.bfloat16,),
        real_size=True,
        thorough=True,
    ),
)
