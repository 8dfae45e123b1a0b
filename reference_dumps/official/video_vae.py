"""The official video encoder and decoder, built by the official loader and called as its pipelines do."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any
from unittest.mock import patch

import torch
from ltx_core.loader import SingleGPUModelBuilder
from ltx_core.model.video_vae import model_configurator, video_vae
from torch import Tensor, nn

from parity.ltx23.stages.video_vae.passes import Does, Tiles, VaePass
from parity.ltx23.terms import Load
from reference_dumps.official.whole import whole

HALVES = ("encoder", "decoder")
Lengths = tuple[int, int, int]


class Shown(nn.Module):
    """Gives back what it is given, where a hook can see it."""

    def forward(self, value: Any) -> Any:
        """Give the value."""
        return value


class OfficialVideoVae(nn.Module):
    """Both official halves, with modules that show what their methods hand on.

    The methods are wrapped on the instances: they are the live ones, and nothing but what they return is looked at.
    """

    def __init__(self, request: Load) -> None:
        super().__init__()
        self.release, self.checkpoint = request.release, str(request.files["checkpoint"])
        self.encoder: Any = None
        self.decoder: Any = None
        self.layout, self.cut, self.tile, self.group = Shown(), Shown(), Shown(), Shown()
        self.chunk, self.frames, self.joined = Shown(), Shown(), Shown()

    def watch_encoder(self, encoder: nn.Module) -> None:
        """Take the encoder in."""
        self.encoder = encoder
        forward: Any = encoder.forward

        def shown(sample: Tensor) -> Tensor:
            return self.tile(forward(self.cut(sample)))

        encoder.forward = shown

    def watch_decoder(self, decoder: Any) -> None:
        """Take the decoder in."""
        self.decoder = decoder
        forward, prepare, stretch, tiled = (
            decoder.forward,
            decoder._prepare_tiles,
            decoder._accumulate_temporal_group_into_buffer,
            decoder.tiled_decode,
        )

        def shown(sample: Tensor, timestep: None = None, generator: None = None) -> Tensor:
            return self.tile(forward(self.cut(sample), timestep, generator))

        def prepared(latent: Tensor, tiling_config: object = None) -> Any:
            tiles = prepare(latent, tiling_config)
            frames, rows, columns = latent.shape[2:]
            self.layout(described(tiles, (frames, rows, columns), ((frames - 1) * 8 + 1, rows * 32, columns * 32)))
            return tiles

        def accumulated(*, buffer: Tensor, **others: object) -> Any:
            weights = stretch(buffer=buffer, **others)
            self.group((buffer, weights))
            return weights

        def stretches(*arguments: object, **others: object) -> Iterator[Tensor]:
            yield from map(self.chunk, tiled(*arguments, **others))

        decoder.forward, decoder._prepare_tiles = shown, prepared
        decoder._accumulate_temporal_group_into_buffer, decoder.tiled_decode = accumulated, stretches

    def forward(self, call: VaePass) -> None:
        """Run one pass."""
        match call.does:
            case Does.ENCODE:
                self.encoder(call.value)
            case Does.ENCODE_TILES:
                self._encode_tiles(call)
            case Does.DECODE_BATCH:
                self.decoder(call.value)
            case Does.DECODE_BATCH_TILES:
                _exhaust(self.decoder.tiled_decode(call.value, self._decode_tiling(call)))
            case Does.DECODE | Does.DECODE_TILES:
                _exhaust(map(self.frames, self._decode_video(call.value, self._decode_tiling(call))))

    def _encode_tiles(self, call: VaePass) -> None:
        prepare = video_vae.prepare_tiles_for_encoding

        def prepared(video: Tensor, *arguments: object, **others: object) -> Any:
            tiles = prepare(video, *arguments, **others)
            frames, rows, columns = video.shape[2:]
            self.layout(described(tiles, (frames, rows, columns), ((frames - 1) // 8 + 1, rows // 32, columns // 32)))
            return tiles

        with patch.object(video_vae, "prepare_tiles_for_encoding", prepared):
            self.joined(self.encoder.tiled_encode(call.value, self._encode_tiling(call.tiles)))

    def _decode_video(self, latent: Tensor, tiling: object) -> Iterator[Tensor]:
        if self.release == "1.0.0":
            return video_vae.decode_video(latent, self.decoder, tiling)
        return self.decoder.decode_video(latent, tiling)

    def _decode_tiling(self, call: VaePass) -> Any:
        tiles = call.tiles
        if tiles is not None and tiles.default:
            return self._default_tiling(call)
        if tiles is None or self.release == "1.0.0":
            return self._encode_tiling(tiles)
        from ltx_core.tiling import DimensionSizeConfig, TileSizeConfig

        frames = DimensionSizeConfig(*(tiles.frames or ()))
        if tiles.pixels is None:
            return TileSizeConfig(frames=frames)
        return TileSizeConfig.from_long_side(
            long_side=DimensionSizeConfig(*tiles.pixels),
            height=call.value.shape[3] * 32,
            width=call.value.shape[4] * 32,
            scale_factors=self.decoder.video_downscale_factors,
            frames=frames,
        )

    def _default_tiling(self, call: VaePass) -> Any:
        if self.release == "1.0.0":
            from ltx_core.model.video_vae.tiling import TilingConfig

            return TilingConfig.default()
        # What the pipelines' helpers import beside what is needed here, and a CPU machine lacks.
        from reference_dumps.official import openimageio_stand_in, torchaudio_without_extension  # noqa: F401, I001
        from ltx_pipelines.utils.helpers import tiling_config_for_vae

        frames, rows, columns = call.value.shape[2:]
        size = {"height": rows * 32, "width": columns * 32, "num_frames": (frames - 1) * 8 + 1}
        return tiling_config_for_vae(self.checkpoint, **size)

    def _encode_tiling(self, tiles: Tiles | None) -> Any:
        """Give the tiling in which both sides of a picture are cut alike."""
        if tiles is None:
            return None
        if self.release == "1.0.0":
            from ltx_core.model.video_vae.tiling import SpatialTilingConfig, TemporalTilingConfig, TilingConfig

            return TilingConfig(
                None if tiles.pixels is None else SpatialTilingConfig(*tiles.pixels),
                None if tiles.frames is None else TemporalTilingConfig(*tiles.frames),
            )
        from ltx_core.tiling import DimensionSizeConfig, TileSizeConfig

        pixels = DimensionSizeConfig(*(tiles.pixels or ()))
        return TileSizeConfig(frames=DimensionSizeConfig(*(tiles.frames or ())), height=pixels, width=pixels)


def described(tiles: Iterable[Any], lengths: Lengths, ends: Lengths) -> list[dict[str, Any]]:
    """Say of each official tile where it comes from and goes to, and its masks; axes that are whole in full length.

    `lengths` are frames, rows and columns of the input, `ends` those of the output.
    """
    found = []
    for tile in tiles:
        source, target = _bounds(tile.in_coords, lengths), _bounds(tile.out_coords, ends)
        masks = [
            torch.ones(stop - start) if mask is None or mask.numel() == 1 else mask
            for mask, (start, stop) in zip(tile.masks_1d[2:], target, strict=True)
        ]
        found.append({"coords": torch.tensor([source, target]), "masks": masks})
    return found


def _bounds(coords: tuple[slice, ...], lengths: Lengths) -> list[tuple[int, int]]:
    return [place.indices(length)[:2] for place, length in zip(coords[2:], lengths, strict=True)]


def _exhaust(stretches: Iterable[Tensor]) -> None:
    deque(stretches, maxlen=0)


def load(request: Load) -> nn.Module:
    """Give both live halves, or those asked for; BadInputError where the file leaves a parameter without weights."""
    model = OfficialVideoVae(request)
    halves = request.options.get("halves", HALVES)
    if "encoder" in halves:
        keys = model_configurator.VAE_ENCODER_COMFY_KEYS_FILTER
        model.watch_encoder(_built(request, model_configurator.VideoEncoderConfigurator, keys))
    if "decoder" in halves:
        keys, in_place = model_configurator.VAE_DECODER_COMFY_KEYS_FILTER, {}
        if request.release != "1.0.0" and not request.options.get("plain"):
            # As the pipelines' own builder does by default.
            from ltx_core.loader.sd_ops import SDOps
            from ltx_core.model.video_vae import CHANNELS_LAST_3D_WEIGHTS, MEMORY_EFFICIENT_DECODE

            keys = SDOps(name="in_place", mapping=(*keys.mapping, *CHANNELS_LAST_3D_WEIGHTS.mapping))
            in_place = {"module_ops": (MEMORY_EFFICIENT_DECODE,)}
        model.watch_decoder(_built(request, model_configurator.VideoDecoderConfigurator, keys, **in_place))
    return model.eval()


def _built(request: Load, configurator: Any, keys: Any, **more: Any) -> nn.Module:
    checkpoint = request.files["checkpoint"]
    builder = SingleGPUModelBuilder(
        model_class_configurator=configurator, model_path=str(checkpoint), model_sd_ops=keys, **more
    )
    return whole(builder.build(device=request.device, dtype=request.dtype), checkpoint)


def call(model: nn.Module, forward: VaePass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    model(forward)
