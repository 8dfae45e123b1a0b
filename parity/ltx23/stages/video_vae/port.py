"""The port, as the harness runs it."""

from collections import deque
from dataclasses import replace

from torch import nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.release import Release, release_named
from ltx_port.video_vae import ClipDecoder, TiledEncoder, TileSize, Tiling
from ltx_port.video_vae.load import load_video_decoder, load_video_encoder
from parity.ltx23.refusals import refusals
from parity.ltx23.stages.video_vae.passes import Does, VaePass
from parity.ltx23.terms import Load

HALVES = ("encoder", "decoder")


class Autoencoder(nn.Module):
    """Both halves, or one, under one root."""

    coder: TiledEncoder
    clip: ClipDecoder

    def __init__(self, release: Release):
        super().__init__()
        self.release = release


def load(request: Load) -> Autoencoder:
    """Give the port with the checkpoint's weights; BadInputError where the port refuses the file."""
    release = release_named(request.release)
    model = Autoencoder(release)
    halves = request.options.get("halves", HALVES)
    if request.options.get("plain"):
        release = replace(release, decoder_channels_last=False)
    with refusals():
        checkpoint = CheckpointFile.open(request.files["checkpoint"])
        if "encoder" in halves:
            model.coder = TiledEncoder(load_video_encoder(checkpoint, request.device, request.dtype, release))
        if "decoder" in halves:
            model.clip = ClipDecoder(load_video_decoder(checkpoint, request.device, request.dtype, release))
    return model.eval()


def call(model: nn.Module, forward: VaePass) -> None:
    """Run one pass; what it computes is seen through hooks."""
    assert isinstance(model, Autoencoder)
    tiling = _tiling(forward, model.release)
    match forward.does:
        case Does.ENCODE:
            model.coder.encoder(forward.value)
        case Does.ENCODE_TILES:
            assert tiling is not None
            model.coder(forward.value, tiling)
        case Does.DECODE_BATCH:
            model.clip.tiled.decoder(forward.value)
        case Does.DECODE_BATCH_TILES:
            assert tiling is not None
            _exhaust(model.clip.tiled(forward.value, tiling))
        case Does.DECODE | Does.DECODE_TILES:
            _exhaust(model.clip(forward.value, tiling))


def _exhaust(stretches: object) -> None:
    deque(stretches, maxlen=0)  # type: ignore[call-overload]


def _tiling(forward: VaePass, release: Release) -> Tiling | None:
    if forward.tiles is None:
        return None
    height, width = (length * 32 for length in forward.value.shape[3:])
    if forward.tiles.default:
        return Tiling.default(release, height, width)
    pixels, frames = (
        None if given is None else TileSize(*given) for given in (forward.tiles.pixels, forward.tiles.frames)
    )
    if forward.encodes or pixels is None:
        return Tiling(frames, pixels, pixels)
    assert frames is not None
    return Tiling.by_long_side(pixels, frames, height, width)
