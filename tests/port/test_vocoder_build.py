"""The vocoder as a program: its keys, its strict loading, its releases, its refusals."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ltx_port.checkpoint.config import parse_config
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.errors import InputError
from ltx_port.release import RELEASE_1_0_0, RELEASE_1_2_0
from ltx_port.vocoder import SoundDecoder, Vocoder
from ltx_port.vocoder.keys import vocoder_keys
from ltx_port.vocoder.load import build_vocoder, load_vocoder
from parity.ltx23.configs import config_text
from parity.ltx23.stages import CASES
from parity.ltx23.synthetic.components import checkpoint_shapes
from parity.ltx23.world import World

KEYS = Path(__file__).parents[1] / "data" / "vocoder_keys.json"
CPU = torch.device("cpu")
REAL = parse_config(config_text("ltx-2.3-22b"), "test")
SMALL = CASES["vocoder-small"]
LAYERS = range(3)


def real_keys() -> dict[str, tuple[int, ...]]:
    """Every vocoder key and shape of the released file."""
    recorded = json.loads(KEYS.read_text(encoding="utf-8"))
    found = {f"vocoder.mel_stft.{key}": tuple(shape) for key, shape in recorded["mel_stft"].items()}
    for name, part in recorded["generators"].items():
        found |= {f"vocoder.{name}.{key}": shape for key, shape in generator_keys(part, tuple(recorded["filter"]))}
    assert len(found) == recorded["tensors"]
    return found


def generator_keys(part: dict[str, list[int]], filter_shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "conv_pre.weight", tuple(part["conv_pre"])
    yield "conv_pre.bias", (part["conv_pre"][0],)
    for index, (inputs, outputs, kernel) in enumerate(part["ups"]):
        yield f"ups.{index}.weight", (inputs, outputs, kernel)
        yield f"ups.{index}.bias", (outputs,)
    activations = [("act_post", part["conv_post"][1])]
    for block, (channels, kernel) in enumerate(part["resblocks"]):
        for inside in (f"{way}.{layer}" for way in (1, 2) for layer in LAYERS):
            yield f"resblocks.{block}.convs{inside}.weight", (channels, channels, kernel)
            yield f"resblocks.{block}.convs{inside}.bias", (channels,)
            activations.append((f"resblocks.{block}.acts{inside}", channels))
    for name, channels in activations:
        yield from ((f"{name}.act.{scale}", (channels,)) for scale in ("alpha", "beta"))
        yield from ((f"{name}.{way}.filter", filter_shape) for way in ("upsample", "downsample.lowpass"))
    yield "conv_post.weight", tuple(part["conv_post"])


def test_the_real_configuration_gives_exactly_the_released_keys_and_shapes() -> None:
    model = build_vocoder(REAL.vocoder)
    keys = vocoder_keys(REAL.vocoder)
    own = {keys[name]: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert own == real_keys()
    assert own == checkpoint_shapes(REAL, ["vocoder"])
    assert sum(parameter.numel() for parameter in model.parameters()) == 128_537_448


@pytest.fixture(scope="module")
def checkpoint() -> Iterator[Path]:
    with World() as world:
        yield world.checkpoint(SMALL)


@pytest.fixture(scope="module")
def vocoder(checkpoint: Path) -> Vocoder:
    return load_vocoder(CheckpointFile.open(checkpoint), CPU, torch.float32)


def mel(*shape: int) -> Tensor:
    return torch.linspace(-4, 1, torch.Size(shape).numel()).view(shape)


def rewritten(source: Path, target: Path, edit: Callable[[dict[str, Tensor]], object]) -> CheckpointFile:
    """Copy a checkpoint with its tensors edited."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(source, framework="pt") as handle:
        tensors = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118
        metadata = handle.metadata()
    edit(tensors)
    save_file(tensors, target, metadata)
    return CheckpointFile.open(target)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.pop("vocoder.mel_stft.stft_fn.inverse_basis"), "missing vocoder key"),
        (lambda t: t.pop("vocoder.bwe_generator.act_post.upsample.filter"), "missing vocoder key"),
        (lambda t: t.update({"vocoder.resampler.filter": torch.ones(1, 1, 43)}), "unknown vocoder key"),
        (lambda t: t["vocoder.mel_stft.mel_basis"].fill_(torch.nan), "NaN or infinity"),
    ],
)
def test_a_file_that_is_not_exactly_the_vocoder_is_refused(
    checkpoint: Path, tmp_path: Path, edit: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    opened = rewritten(checkpoint, tmp_path / "edited.safetensors", edit)
    with pytest.raises(InputError, match=message):
        load_vocoder(opened, CPU, torch.float32)


@pytest.mark.parametrize("shape", [(1, 1, 3, 64), (1, 2, 3, 63), (1, 2, 0, 64)])
def test_mel_frames_of_another_shape_are_refused(vocoder: Vocoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="vocoder: mel frames"):
        vocoder(mel(*shape))


def test_sound_is_one_clip(vocoder: Vocoder) -> None:
    with pytest.raises(InputError, match="a batch of 2"):
        SoundDecoder(vocoder)(mel(2, 2, 3, 64))


def test_sound_is_float32_in_any_precision(checkpoint: Path) -> None:
    decoder = SoundDecoder(load_vocoder(CheckpointFile.open(checkpoint), CPU, torch.bfloat16, RELEASE_1_0_0))
    sound = decoder(mel(1, 2, 3, 64).to(torch.bfloat16))
    assert sound.waveform.dtype is torch.float32
    assert sound.waveform.shape == (2, 3 * 10 * 3)
    assert sound.sampling_rate == 48000
    assert torch.equal(sound.waveform, sound.waveform.bfloat16().float()), "rounded before it is widened"


def test_the_newer_release_rounds_weights_and_sound_and_nothing_between(checkpoint: Path) -> None:
    """The file holds bfloat16 numbers: in float32 both releases are the same, and so is 1.2.0 in bfloat16 inside."""
    opened, frames = CheckpointFile.open(checkpoint), mel(1, 2, 3, 64).to(torch.bfloat16)
    exact = load_vocoder(opened, CPU, torch.float32, RELEASE_1_0_0)(frames.float())
    newer = load_vocoder(opened, CPU, torch.bfloat16, RELEASE_1_2_0)
    older = load_vocoder(opened, CPU, torch.bfloat16, RELEASE_1_0_0)
    assert torch.equal(newer(frames), exact.bfloat16())
    assert not torch.equal(older(frames), exact.bfloat16())


def test_weights_are_rounded_to_the_working_precision_also_where_it_is_not_computed_in(
    checkpoint: Path, tmp_path: Path
) -> None:
    key = "vocoder.vocoder.conv_pre.weight"
    third = rewritten(checkpoint, tmp_path / "thirds.safetensors", lambda t: t.update({key: t[key].float() / 3}))
    weight = load_vocoder(third, CPU, torch.bfloat16, RELEASE_1_2_0).generator.conv_in.weight
    assert weight.dtype is torch.float32
    assert torch.equal(weight, weight.bfloat16().float())
