"""Changes of sampling rate: twice up and down around each activation, and the straight path to the higher rate."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

TAPS = 12
"""Length of the stored low-pass filters."""
_RATIO = 2

_ROLLOFF = 0.99
_ZERO_CROSSINGS = 6
# Input samples that the windowed sinc reaches on each side.
_REACH = math.ceil(_ZERO_CROSSINGS / _ROLLOFF)


class Upsample(nn.Module):
    """Doubles the rate through a transposed convolution with the checkpoint's filter, the same for every channel."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", torch.empty(1, 1, TAPS))

    def forward(self, x: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch channels twice"]:
        """Give twice as many samples; edges are repeated, and what they add is cut off again."""
        channels, edge = x.shape[1], TAPS // _RATIO - 1
        cut = edge * _RATIO + (TAPS - _RATIO) // 2
        x = F.pad(x, (edge, edge), mode="replicate")
        kernel = self.filter.expand(channels, -1, -1)
        return (_RATIO * F.conv_transpose1d(x, kernel, stride=_RATIO, groups=channels))[..., cut:-cut]


class Downsample(nn.Module):
    """Halves the rate through a convolution with the checkpoint's filter, the same for every channel."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", torch.empty(1, 1, TAPS))

    def forward(self, x: Float[Tensor, "batch channels twice"]) -> Float[Tensor, "batch channels samples"]:
        """Give half as many samples; the first output looks five samples back and six ahead."""
        channels = x.shape[1]
        x = F.pad(x, (TAPS // 2 - 1, TAPS // 2), mode="replicate")
        return F.conv1d(x, self.filter.expand(channels, -1, -1), stride=_RATIO, groups=channels)


class SkipResampler(nn.Module):
    """Raises the rate by a whole ratio with a Hann-windowed sinc, which is computed and not in the checkpoint."""

    filter: Tensor

    def __init__(self, ratio: int):
        super().__init__()
        self.ratio = ratio
        # Never on the meta device, where the rest of the model is built: there is no file to fill it from.
        self.register_buffer("filter", _windowed_sinc(ratio), persistent=False)

    def forward(self, x: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch channels more_samples"]:
        """Give `ratio` times as many samples."""
        channels = x.shape[1]
        x = F.pad(x, (_REACH, _REACH), mode="replicate")
        # Kept in float32 however the model was loaded, and rounded here: the reference's loader casts what it reads
        # from the file, which this is not.
        kernel = self.filter.to(x.dtype).expand(channels, -1, -1)
        x = self.ratio * F.conv_transpose1d(x, kernel, stride=self.ratio, groups=channels)
        taps = self.filter.shape[-1]
        return x[..., taps - 1 : -(taps - self.ratio)]


def _windowed_sinc(ratio: int) -> Float[Tensor, "1 1 taps"]:
    taps = 2 * _REACH * ratio + 1
    with torch.device("cpu"):
        # Float32 throughout, and in this order: each operation rounds.
        time = (torch.arange(taps) / ratio - _REACH) * _ROLLOFF
        inside = time.clamp(-_ZERO_CROSSINGS, _ZERO_CROSSINGS)
        window = torch.cos(inside * math.pi / _ZERO_CROSSINGS / 2) ** 2
        return (torch.sinc(time) * window * _ROLLOFF / ratio).view(1, 1, taps)
