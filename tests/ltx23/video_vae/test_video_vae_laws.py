"""What holds of the video autoencoder whatever its weights are, and that every weight of it matters."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.release import RELEASE_1_0_0, RELEASE_1_2_0, Release
from ltx_port.video_vae import ClipDecoder, TiledDecoder, TileSize, Tiling, VideoDecoder, VideoEncoder
from ltx_port.video_vae.frames import ToFrames
from ltx_port.video_vae.load import load_video_decoder, load_video_encoder
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.write import write_checkpoint

CPU = torch.device("cpu")
TILING = Tiling(TileSize(16, 8))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> CheckpointFile:
    path: Path = tmp_path_factory.mktemp("checkpoint") / "both.safetensors"
    write_checkpoint(path, CheckpointSpec("tiny", 2, components=("video_encoder", "video_decoder")))
    return CheckpointFile.open(path)


@pytest.fixture(scope="module")
def encoder(checkpoint: CheckpointFile) -> VideoEncoder:
    return load_video_encoder(checkpoint, CPU, torch.float32)


@pytest.fixture(scope="module")
def decoder(checkpoint: CheckpointFile) -> VideoDecoder:
    return load_video_decoder(checkpoint, CPU, torch.float32, RELEASE_1_0_0)


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


def test_no_latent_frame_sees_a_later_frame(encoder: VideoEncoder) -> None:
    clip = drawn(1, 3, 9, 32, 32)
    other = clip.clone()
    other[:, :, 1:] += 1
    torch.testing.assert_close(encoder(clip)[:, :, :1], encoder(other)[:, :, :1])
    torch.testing.assert_close(encoder(clip)[:, :, :1], encoder(clip[:, :, :1]))
    assert not torch.allclose(encoder(clip)[:, :, 1:], encoder(other)[:, :, 1:])


def test_frames_beyond_8k_and_1_are_dropped(encoder: VideoEncoder) -> None:
    clip = drawn(1, 3, 7, 32, 32)
    assert torch.equal(encoder(clip), encoder(clip[:, :, :1]))


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_the_first_latent_frame_gives_one_frame_and_every_other_eight(decoder: VideoDecoder, frames: int) -> None:
    assert decoder(drawn(1, 16, frames, 1, 2)).shape == (1, 3, (frames - 1) * 8 + 1, 32, 64)


def test_both_layouts_in_memory_give_the_same_but_for_rounding(
    checkpoint: CheckpointFile, decoder: VideoDecoder
) -> None:
    newest = load_video_decoder(checkpoint, CPU, torch.float32, RELEASE_1_2_0)
    latent = drawn(1, 16, 2, 1, 2)
    torch.testing.assert_close(newest(latent), decoder(latent), rtol=1e-4, atol=1e-4)


def test_frames_come_as_soon_as_they_are_final(decoder: VideoDecoder) -> None:
    """A stretch of time is handed on before any tile is decoded that it does not depend on."""
    decoded: list[int] = []
    hook = decoder.register_forward_hook(lambda *_: decoded.append(1))
    stretches: Iterator[Tensor] = TiledDecoder(decoder)(drawn(1, 16, 5, 1, 1), TILING)
    assert decoded == []
    lengths = []
    for known in (2, 3, 4, 4):
        lengths.append(next(stretches).shape[2])
        assert len(decoded) == known
    hook.remove()
    assert next(stretches, None) is None
    assert sum(lengths) == 33


def test_one_tile_is_the_same_as_none(decoder: VideoDecoder) -> None:
    latent = drawn(1, 16, 2, 1, 1)
    (tiled,) = TiledDecoder(decoder)(latent, Tiling(TileSize(64, 8), TileSize(512, 64), TileSize(512, 64)))
    assert torch.equal(tiled, decoder(latent))


def test_bytes_are_cut_off_and_clamped() -> None:
    pixels = torch.tensor([-3.0, -1.0, 0.0, 0.998, 1.0, 3.0]).view(1, 1, 1, 1, 6)
    assert ToFrames(as_bytes=True)(pixels).flatten().tolist() == [0, 0, 127, 254, 255, 255]
    assert ToFrames(as_bytes=False)(pixels).flatten().tolist()[::5] == [0.0, 1.0]


@pytest.mark.parametrize("release", [RELEASE_1_0_0, RELEASE_1_2_0], ids=["1.0.0", "1.2.0"])
def test_frames_have_colours_last(checkpoint: CheckpointFile, release: Release) -> None:
    clip = ClipDecoder(load_video_decoder(checkpoint, CPU, torch.bfloat16, release))
    (frames,) = clip(drawn(1, 16, 1, 1, 2).bfloat16())
    assert frames.shape == (1, 32, 64, 3)
    assert frames.dtype is (torch.uint8 if release.frames_uint8 else torch.bfloat16)


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_every_weight_moves_the_output(half: str, encoder: VideoEncoder, decoder: VideoDecoder) -> None:
    model: nn.Module = {"encoder": encoder, "decoder": decoder}[half]
    value = {"encoder": drawn(1, 3, 9, 32, 32), "decoder": drawn(1, 16, 2, 1, 1)}[half]
    before = model(value)
    for name, tensor in model.state_dict().items():
        kept = tensor.clone()
        # The middle of a kernel: its corners may meet nothing but padding. The first output: the encoder's last one,
        # the log-variance, goes unused.
        tensor[(0, 0, 1, 1, 1)[: tensor.ndim]] += 1.0
        assert not torch.equal(model(value), before), f"{name} does not matter"
        tensor.copy_(kept)
