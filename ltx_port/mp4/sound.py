"""From a waveform to the samples that an audio encoder takes."""

import torch
from jaxtyping import Float32, Int16
from torch import Tensor, nn

LOUDEST = 32767.0


class PcmSamples(nn.Module):
    """Samples of 16 bits: clipped to -1 .. 1, scaled by 32767 in float32, cut off towards zero.

    Source: _write_audio of ltx-pipelines 1.0.0, write_audio of ltx-core 1.2.0.
    """

    def forward(self, waveform: Float32[Tensor, "2 samples"]) -> Int16[Tensor, "samples 2"]:
        """Give left and right sample by sample, interleaved in memory."""
        return (waveform.T.clamp(-1.0, 1.0) * LOUDEST).to(torch.int16).contiguous()
