"""The upsampler as a program: its keys, its configuration, its strict loading, its refusals."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.errors import InputError
from ltx_port.upsampler import load_upsampler
from ltx_port.upsampler.config import UpsamplerFile, parse_upsampler_config
from ltx_port.upsampler.keys import official_key
from ltx_port.upsampler.load import build_upsampler
from parity.errors import BadInputError
from parity.ltx23.configs import upsampler_config_text
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.upsampler_file import UpsamplerSpec
from parity.ltx23.synthetic.write import write_checkpoint

DATA = Path(__file__).parents[1] / "data"
CPU = torch.device("cpu")
CONFIG = json.loads(upsampler_config_text("tiny"))
SMALL = json.dumps(CONFIG | {"mid_channels": 32, "num_blocks_per_stage": 1})


def real_keys() -> dict[str, tuple[int, ...]]:
    """Every key and shape of the released file."""
    recorded = json.loads((DATA / "upsampler_keys.json").read_text(encoding="utf-8"))
    found = {key: tuple(shape) for key, shape in recorded["ends"].items()}
    for part in recorded["repeated"]:
        for block in range(recorded["num_blocks"]):
            found |= {f"{part}.{block}.{key}": tuple(shape) for key, shape in recorded["block"].items()}
    return found


def test_the_real_configuration_gives_exactly_the_released_keys_and_shapes() -> None:
    model = build_upsampler(parse_upsampler_config(upsampler_config_text("ltx-2.3-22b"), "test")).upsampler
    own = {official_key(name): tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert own == real_keys() == UpsamplerSpec("ltx-2.3-22b", 0).shapes()
    assert len(own) == 72
    assert sum(map(math.prod, own.values())) == 497_867_904


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rational_resampler": True}, "rational_resampler is True; expected False"),
        ({"temporal_upsample": True}, "temporal_upsample is True"),
        ({"spatial_upsample": False}, "spatial_upsample is False"),
        ({"spatial_scale": 1.5}, "spatial_scale is 1.5; expected 2.0"),
        ({"dims": 2}, "dims is 2"),
        ({"_class_name": "Other"}, "_class_name is 'Other'"),
        ({"mid_channels": 48}, "mid_channels is 48; expected a multiple of 32"),
        ({"num_blocks_per_stage": 0}, "num_blocks_per_stage is 0"),
        ({"unheard": 1}, "unknown key unheard"),
    ],
)
def test_a_configuration_that_is_not_computed_is_refused_by_its_key(change: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_upsampler_config(json.dumps(CONFIG | change), "test")


@pytest.mark.parametrize("key", sorted(CONFIG))
def test_no_key_of_the_configuration_has_a_default(key: str) -> None:
    with pytest.raises(InputError, match=f"missing key {key}"):
        parse_upsampler_config(json.dumps({name: value for name, value in CONFIG.items() if name != key}), "test")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("files")
    write_checkpoint(folder / "upsampler.safetensors", UpsamplerSpec(SMALL, 3))
    write_checkpoint(folder / "checkpoint.safetensors", CheckpointSpec("tiny", 3, components=("video_statistics",)))
    return folder / "upsampler.safetensors", folder / "checkpoint.safetensors"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda tensors: tensors.pop("final_conv.bias"), "final_conv.bias: missing upsampler key"),
        (lambda tensors: tensors.update({"more": torch.ones(1)}), "more: unknown upsampler key"),
        (lambda tensors: tensors.update({"final_conv.bias": torch.ones(3)}), r"final_conv.bias: shape \(3,\)"),
        (lambda tensors: tensors["final_conv.bias"].fill_(torch.nan), "final_conv.bias: NaN or infinity"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_its_key(
    files: tuple[Path, Path], tmp_path: Path, edit: object, message: str
) -> None:
    tensors = load_file(files[0])
    edit(tensors)  # type: ignore[operator]
    save_file(tensors, tmp_path / "changed.safetensors", {"config": SMALL})
    with pytest.raises(InputError, match=message):
        load_upsampler(UpsamplerFile.open(tmp_path / "changed.safetensors"), CheckpointFile.open(files[1]), CPU,
                       torch.float32)  # fmt: skip


def test_files_for_other_latents_are_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    other = json.dumps(json.loads(SMALL) | {"in_channels": 8})
    written = write_checkpoint(tmp_path / "other.safetensors", UpsamplerSpec(other, 3))
    with pytest.raises(InputError, match="in_channels is 8; expected 16, the latent_channels of"):
        load_upsampler(UpsamplerFile.open(written.path), CheckpointFile.open(files[1]), CPU, torch.float32)


def test_a_checkpoint_is_no_upsampler_and_an_upsampler_no_checkpoint(files: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"(unknown|missing) key"):
        UpsamplerFile.open(files[1])
    with pytest.raises(InputError, match="config"):
        CheckpointFile.open(files[0])


def test_a_file_without_its_configuration_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.ones(1)}, tmp_path / "bare.safetensors")
    with pytest.raises(InputError, match="no 'config' in its metadata"):
        UpsamplerFile.open(tmp_path / "bare.safetensors")


@pytest.mark.parametrize("config", ["{}", "no such"])
def test_a_synthetic_upsampler_of_no_known_configuration_is_refused(config: str) -> None:
    with pytest.raises(BadInputError, match="config"):
        UpsamplerSpec(config, 0).shapes()


def test_the_mapped_file_survives_a_run(files: tuple[Path, Path]) -> None:
    before = [path.read_bytes() for path in files]
    model = load_upsampler(UpsamplerFile.open(files[0]), CheckpointFile.open(files[1]), CPU, torch.bfloat16)
    with torch.no_grad():
        assert model(torch.randn(1, 16, 1, 2, 2).bfloat16()).shape == (1, 16, 1, 4, 4)
    assert [path.read_bytes() for path in files] == before
