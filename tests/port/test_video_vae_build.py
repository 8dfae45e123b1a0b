"""The video autoencoder as a program: its keys, its strict loading, its refusals."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ltx_port.checkpoint.config import parse_config
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.errors import InputError
from ltx_port.video_vae.keys import decoder_part, encoder_part
from ltx_port.video_vae.load import build_video_decoder, build_video_encoder, load_video_decoder, load_video_encoder
from parity.ltx23.configs import config_text
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.write import write_checkpoint

KEYS = json.loads((Path(__file__).parents[1] / "data" / "video_vae_keys.json").read_text(encoding="utf-8"))
CPU = torch.device("cpu")
Tensors = dict[str, torch.Tensor]


def real_keys(half: str) -> dict[str, tuple[int, ...]]:
    """Every key and shape of the released file, for one half."""
    found = {f"vae.per_channel_statistics.{name}-of-means": (KEYS["statistics"],) for name in ("mean", "std")}
    convolutions: dict[str, tuple[int, int]] = {}
    for path, (first, second) in KEYS[half].items():
        if path.endswith("res_blocks"):
            inside = (f"{path}.{layer}.conv{turn}" for layer in range(first) for turn in (1, 2))
            convolutions |= dict.fromkeys(inside, (second, second))
        else:
            convolutions[path] = (first, second)
    for path, (outputs, inputs) in convolutions.items():
        found[f"vae.{half}.{path}.conv.weight"] = (outputs, inputs, 3, 3, 3)
        found[f"vae.{half}.{path}.conv.bias"] = (outputs,)
    return found


@pytest.mark.parametrize(
    ("half", "build", "part", "parameters"),
    [
        ("encoder", build_video_encoder, encoder_part, 318_936_897),
        ("decoder", build_video_decoder, decoder_part, 407_169_072),
    ],
)
def test_the_real_configuration_gives_exactly_the_released_keys_and_shapes(
    half: str, build: Callable[..., Any], part: Callable[..., Any], parameters: int
) -> None:
    model = build(parse_config(config_text("ltx-2.3-22b"), "test").vae)
    keys = part(model.key_paths()).keys
    own = {keys[name]: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert own == real_keys(half)
    assert len(own) == 86
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "both.safetensors"
    write_checkpoint(path, CheckpointSpec("tiny", 1, components=("video_encoder", "video_decoder")))
    return path


KEY = "vae.{half}.conv_in.conv.weight"


@pytest.mark.parametrize("half", ["encoder", "decoder"])
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda tensors, key: tensors.pop(key), "missing video"),
        (lambda tensors, _: tensors.pop("vae.per_channel_statistics.std-of-means"), "missing video"),
        (lambda tensors, key: tensors.update({key.replace("conv_in", "conv_up"): torch.ones(1)}), "unknown video"),
        (lambda tensors, _: tensors.update({"vae.per_channel_statistics.x": torch.ones(1)}), "unknown video"),
        (lambda tensors, key: tensors.update({key: torch.ones(2, 2)}), r"shape \(2, 2\)"),
        (lambda tensors, key: tensors[key].view(-1)[3].fill_(torch.nan), "NaN or infinity"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_in_one_line(
    checkpoint: Path, tmp_path: Path, edit: Callable[[Tensors, str], object], message: str, half: str
) -> None:
    with safe_open(checkpoint, framework="pt") as handle:
        tensors = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118
        metadata = handle.metadata()
    edit(tensors, KEY.format(half=half))
    save_file(tensors, tmp_path / "changed.safetensors", metadata)
    load = {"encoder": load_video_encoder, "decoder": load_video_decoder}[half]
    with pytest.raises(InputError, match=message) as refusal:
        load(CheckpointFile.open(tmp_path / "changed.safetensors"), CPU, torch.float32)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("key", "index", "block", "message"),
    [
        ("encoder_blocks", 1, ["compress_all_res", {"multiplier": 2}], "frames per latent"),
        ("decoder_blocks", 1, ["compress_time", {"multiplier": 2}], "pixels per latent"),
        ("decoder_blocks", 1, ["compress_space", {"multiplier": 4}], "product of the multipliers"),
        ("encoder_blocks", 1, ["compress_space_res", {"multiplier": 3}], "whole groups"),
    ],
)
def test_block_lists_of_another_geometry_are_refused(key: str, index: int, block: list[object], message: str) -> None:
    document = json.loads(config_text("tiny"))
    document["vae"][key][index] = block
    with pytest.raises(InputError, match=message):
        parse_config(json.dumps(document), "test")
