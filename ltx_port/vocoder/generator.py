"""A waveform generator: mel frames in, samples out, each stage a rise in rate and blocks of several kernel sizes."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.checkpoint.audio_config import GeneratorConfig
from ltx_port.vocoder.snake import AntiAliasedSnake

_SIDES = 2
"""Channels of sound: left and right."""
_END_KERNEL = 7


class Residual(nn.Module):
    """Adds what a layer computed to what it received."""

    def forward(
        self, x: Float[Tensor, "batch channels samples"], update: Float[Tensor, "batch channels samples"]
    ) -> Float[Tensor, "batch channels samples"]:
        """Add."""
        return x + update


class KernelMean(nn.Module):
    """Averages the blocks of a stage."""

    def forward(
        self, outputs: Sequence[Float[Tensor, "batch channels samples"]]
    ) -> Float[Tensor, "batch channels samples"]:
        """Average over the blocks; the sum is one reduction, not a chain of additions that each round."""
        return torch.stack(list(outputs)).mean(dim=0)


class Clip(nn.Module):
    """Holds samples to -1 .. 1."""

    def forward(self, x: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch channels samples"]:
        """Clamp."""
        return torch.clamp(x, -1, 1)


class AmpLayer(nn.Module):
    """Activation, dilated convolution, activation, plain convolution, and the sum with what came in."""

    def __init__(self, channels: int, kernel: int, dilation: int):
        super().__init__()
        self.snake_in = AntiAliasedSnake(channels)
        self.dilated = _same_length(channels, kernel, dilation)
        self.snake_out = AntiAliasedSnake(channels)
        self.plain = _same_length(channels, kernel, 1)
        self.residual = Residual()

    def forward(self, x: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch channels samples"]:
        """Give the layer's output, of the same shape."""
        return self.residual(x, self.plain(self.snake_out(self.dilated(self.snake_in(x)))))


class AmpBlock(nn.Module):
    """Layers of one kernel size and growing reach."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]):
        super().__init__()
        self.layers = nn.ModuleList(AmpLayer(channels, kernel, dilation) for dilation in dilations)

    def forward(self, x: Float[Tensor, "batch channels samples"]) -> Float[Tensor, "batch channels samples"]:
        """Run the layers one after the other."""
        for layer in self.layers:
            x = layer(x)
        return x


class GeneratorStage(nn.Module):
    """Raises the rate and halves the channels, then runs blocks side by side and averages them."""

    def __init__(self, config: GeneratorConfig, index: int):
        super().__init__()
        wide = config.upsample_initial_channel >> index
        narrow = config.upsample_initial_channel >> (index + 1)
        rate, kernel = config.upsample_rates[index], config.upsample_kernel_sizes[index]
        self.upsample = nn.ConvTranspose1d(wide, narrow, kernel, rate, padding=(kernel - rate) // 2)
        self.blocks = nn.ModuleList(
            AmpBlock(narrow, kernel, dilations)
            for kernel, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
        )
        self.mean = KernelMean()

    def forward(self, x: Float[Tensor, "batch wide samples"]) -> Float[Tensor, "batch narrow more_samples"]:
        """Give half the channels at the stage's higher rate."""
        x = self.upsample(x)
        return self.mean([block(x) for block in self.blocks])


class Generator(nn.Module):
    """Mel frames of both channels to samples of both, not clipped."""

    def __init__(self, config: GeneratorConfig, mel_bins: int):
        super().__init__()
        end = config.upsample_initial_channel >> len(config.upsample_rates)
        self.conv_in = nn.Conv1d(
            _SIDES * mel_bins, config.upsample_initial_channel, _END_KERNEL, padding=_END_KERNEL // 2
        )
        self.stages = nn.ModuleList(GeneratorStage(config, index) for index in range(len(config.upsample_rates)))
        self.activation = AntiAliasedSnake(end)
        self.conv_out = nn.Conv1d(end, _SIDES, _END_KERNEL, padding=_END_KERNEL // 2, bias=False)

    def forward(self, mel: Float[Tensor, "batch 2 frames mel_bins"]) -> Float[Tensor, "batch 2 samples"]:
        """Give `frames * product of rates` samples; the left channel's bins come before the right channel's."""
        x = self.conv_in(mel.transpose(2, 3).flatten(1, 2))
        for stage in self.stages:
            x = stage(x)
        return self.conv_out(self.activation(x))


def _same_length(channels: int, kernel: int, dilation: int) -> nn.Conv1d:
    return nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=(kernel - 1) * dilation // 2)
