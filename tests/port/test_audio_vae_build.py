"""The audio autoencoder as a program: its keys, its strict loading, its refusals."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from ltx_port.audio_vae import load_audio_decoder, load_audio_encoder
from ltx_port.audio_vae.front_end import LogMelFrontEnd
from ltx_port.audio_vae.load import (
    DECODER_PREFIX,
    ENCODER_PREFIX,
    audio_part,
    build_audio_decoder,
    build_audio_encoder,
)
from ltx_port.checkpoint.config import parse_config
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.errors import InputError
from parity.ltx23.configs import config_text
from parity.ltx23.synthetic.components import checkpoint_shapes
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.write import write_checkpoint

KEYS = Path(__file__).parents[1] / "data" / "audio_vae_keys.json"
CPU = torch.device("cpu")
REAL = parse_config(config_text("ltx-2.3-22b"), "test")
TINY = parse_config(config_text("tiny"), "test").audio_vae
HALVES = {"encoder": (ENCODER_PREFIX, build_audio_encoder), "decoder": (DECODER_PREFIX, build_audio_decoder)}


def real_keys(half: str) -> dict[str, tuple[int, ...]]:
    """Every key and shape of one half in the released file; a row is (outputs, inputs, kernel) of a convolution."""
    recorded = json.loads(KEYS.read_text(encoding="utf-8"))
    prefix = recorded["prefix"]
    found: dict[str, tuple[int, ...]] = {
        f"{prefix}per_channel_statistics.{name}": (recorded["statistics"],)
        for name in ("mean-of-means", "std-of-means")
    }
    for layer, (outputs, inputs, kernel) in recorded[half].items():
        found[f"{prefix}{half}.{layer}.conv.weight"] = (outputs, inputs, kernel, kernel)
        found[f"{prefix}{half}.{layer}.conv.bias"] = (outputs,)
    return found


@pytest.mark.parametrize(("half", "count", "size"), [("encoder", 46, 21_333_008), ("decoder", 58, 31_915_138)])
def test_the_real_configuration_gives_exactly_the_released_keys_and_shapes(half: str, count: int, size: int) -> None:
    prefix, build = HALVES[half]
    model = build(REAL.audio_vae)
    keys = audio_part(half, prefix, model).keys
    own = {keys[name]: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert own == real_keys(half)
    assert own == checkpoint_shapes(REAL, [f"audio_{half}"])
    assert len(own) == count
    assert sum(parameter.numel() for parameter in model.parameters()) == size


def test_other_numbers_of_levels_are_refused() -> None:
    """The latent's four mel frames a token are two halvings, whatever the configuration says."""
    document = json.loads(config_text("tiny"))
    document["audio_vae"]["model"]["params"]["ddconfig"]["ch_mult"] = [1, 2, 4, 8]
    with pytest.raises(InputError, match=r"ch_mult is 4.*two halvings"):
        parse_config(json.dumps(document), "test")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "audio.safetensors"
    write_checkpoint(path, CheckpointSpec("tiny", 1, components=("audio_encoder", "audio_decoder")))
    return path


def rewritten(source: Path, target: Path, edit: object) -> CheckpointFile:
    """Copy a checkpoint with its tensors edited."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(source, framework="pt") as handle:
        tensors = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118
        metadata = handle.metadata()
    edit(tensors)  # type: ignore[operator]
    save_file(tensors, target, metadata)
    return CheckpointFile.open(target)


STATISTIC = "audio_vae.per_channel_statistics.std-of-means"
LAYER = "audio_vae.decoder.up.1.upsample.conv.conv.weight"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda tensors: tensors.pop(LAYER), "missing audio decoder key"),
        (lambda tensors: tensors.pop(STATISTIC), "missing audio decoder key"),
        (lambda tensors: tensors.update({f"{DECODER_PREFIX}mid.attn_1.q.weight": torch.ones(1)}), "unknown audio"),
        (lambda tensors: tensors.update({STATISTIC: torch.ones(33)}), r"shape \(33,\)"),
        (lambda tensors: tensors[LAYER].view(-1)[3].fill_(torch.nan), "NaN or infinity"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_in_one_line(
    checkpoint: Path, tmp_path: Path, edit: object, message: str
) -> None:
    changed = rewritten(checkpoint, tmp_path / "changed.safetensors", edit)
    with pytest.raises(InputError, match=message) as refusal:
        load_audio_decoder(changed, CPU, torch.float32)
    assert "\n" not in str(refusal.value)


def test_the_other_half_may_be_absent(checkpoint: Path, tmp_path: Path) -> None:
    def without_decoder(tensors: dict[str, torch.Tensor]) -> None:
        for key in [key for key in tensors if key.startswith(DECODER_PREFIX)]:
            del tensors[key]

    half = rewritten(checkpoint, tmp_path / "half.safetensors", without_decoder)
    load_audio_encoder(half, CPU, torch.float32)
    with pytest.raises(InputError, match="missing audio decoder key"):
        load_audio_decoder(half, CPU, torch.float32)


@pytest.fixture(scope="module")
def halves(checkpoint: Path) -> dict[str, nn.Module]:
    opened = CheckpointFile.open(checkpoint)
    encoder, decoder = load_audio_encoder(opened, CPU, torch.float32), load_audio_decoder(opened, CPU, torch.float32)
    return {"wave": encoder, "encoder": encoder.encoder, "decoder": decoder}


@pytest.mark.parametrize("shape", [(1, 3, 2, 16), (1, 2, 2, 15), (1, 2, 0, 16)])
def test_a_misshapen_latent_is_refused(halves: dict[str, nn.Module], shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"audio latent: shape .* expected \(batch, 2, frames, 16\)"):
        halves["decoder"](torch.zeros(shape))


@pytest.mark.parametrize("shape", [(1, 1, 5, 64), (1, 2, 5, 63), (1, 2, 0, 64)])
def test_misshapen_mel_frames_are_refused(halves: dict[str, nn.Module], shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"log-mel frames: shape .* expected \(batch, 2, frames, 64\)"):
        halves["encoder"](torch.zeros(shape))


def test_a_mono_waveform_is_refused(halves: dict[str, nn.Module]) -> None:
    with pytest.raises(InputError, match="a waveform with that many channels"):
        halves["wave"](torch.zeros(1, 1, 2000), 16000)


@pytest.mark.parametrize(
    ("samples", "rate", "dtype", "message"),
    [
        (512, 16000, torch.float32, "512 samples at 16000 Hz; expected at least 513"),
        (1536, 48000, torch.float32, "512 samples at 16000 Hz"),
        (0, 44100, torch.float32, "0 samples"),
        (2000, 0, torch.float32, "0 Hz; expected 1 Hz or more"),
        (2000, 16000, torch.float64, "float64; expected float32 or narrower"),
    ],
)
def test_a_waveform_that_the_front_end_cannot_take_is_refused(
    samples: int, rate: int, dtype: torch.dtype, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        LogMelFrontEnd(TINY)(torch.zeros(1, 2, samples, dtype=dtype), rate)


def test_the_shortest_waveform_is_taken() -> None:
    assert LogMelFrontEnd(TINY)(torch.zeros(1, 2, 513), 16000).shape == (1, 2, 4, 64)
    assert LogMelFrontEnd(TINY)(torch.zeros(1, 2, 1537), 48000).shape == (1, 2, 4, 64)
