"""The official upsampler, built by the official loader and called as the pipelines do: between the video statistics."""

from ltx_core.loader import SingleGPUModelBuilder
from ltx_core.loader.sft_loader import SafetensorsModelStateDictLoader
from ltx_core.model.upsampler.model import upsample_video
from ltx_core.model.upsampler.model_configurator import LatentUpsamplerConfigurator
from ltx_core.model.video_vae.model_configurator import VAE_ENCODER_COMFY_KEYS_FILTER
from ltx_core.model.video_vae.ops import PerChannelStatistics
from torch import Tensor, nn

from parity.ltx23.terms import Load, TensorPass
from reference_dumps.official.whole import whole


class Statistics(nn.Module):
    """Of the video encoder, what `upsample_video` asks of it."""

    def __init__(self, channels: int):
        super().__init__()
        self.per_channel_statistics = PerChannelStatistics(channels)


class UpsampledVideo(nn.Module):
    """A module for `upsample_video` to be called by."""

    def __init__(self, video_encoder: Statistics, upsampler: nn.Module):
        super().__init__()
        self.video_encoder, self.upsampler = video_encoder, upsampler

    def forward(self, latent: Tensor) -> Tensor:
        """Give the official function's result."""
        return upsample_video(latent, self.video_encoder, self.upsampler)


def load(request: Load) -> nn.Module:
    """Give the live upsampler; BadInputError where a file leaves a parameter without weights."""
    file, checkpoint = request.files["upsampler"], request.files["checkpoint"]
    # Alike in both releases: what the configurator reads, `config` or all metadata, is the builder's affair.
    builder = SingleGPUModelBuilder(model_class_configurator=LatentUpsamplerConfigurator, model_path=str(file))
    upsampler = whole(builder.build(device=request.device, dtype=request.dtype), file)
    loader = SafetensorsModelStateDictLoader()
    found = loader.load(str(checkpoint), VAE_ENCODER_COMFY_KEYS_FILTER, request.device).sd
    encoder = Statistics(upsampler.in_channels)
    # As the builder does it.
    encoder.load_state_dict({key: value.to(request.dtype) for key, value in found.items()}, strict=True, assign=True)
    return whole(UpsampledVideo(encoder, upsampler), checkpoint)


def call(model: nn.Module, forward: TensorPass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model(forward.working["latent"])
