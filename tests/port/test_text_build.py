"""The text stage as a program: its keys, its strict loading, its refusals."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ltx_port.checkpoint.config import parse_config
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.errors import InputError
from ltx_port.release import NEWEST, RELEASE_1_0_0
from ltx_port.text import load_connector, load_features, load_text_embeddings
from ltx_port.text.gemma import load_gemma
from ltx_port.text.keys import connector_keys, feature_keys
from ltx_port.text.load import build_connector, build_features
from ltx_port.text.tokenizer import load_tokenizer
from parity.ltx23.configs import config_text
from parity.ltx23.stage import SEED
from parity.ltx23.synthetic.components import checkpoint_shapes, parameter_count
from parity.ltx23.synthetic.components.text import TEXT_COMPONENTS
from parity.ltx23.synthetic.gemma import write_gemma
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.write import write_checkpoint

KEYS = json.loads((Path(__file__).parents[1] / "data" / "text_keys.json").read_text(encoding="utf-8"))
CPU = torch.device("cpu")
REAL = parse_config(config_text("ltx-2.3-22b"), "test")
NAMES = [component.name for component in TEXT_COMPONENTS]


def real_keys() -> dict[str, tuple[int, ...]]:
    """Every key and shape of the released file's text stage."""
    found = {key: tuple(shape) for key, shape in KEYS["projection"].items()}
    for connector in KEYS["connectors"].values():
        prefix = connector["prefix"]
        found |= {prefix + key: tuple(shape) for key, shape in connector["ends"].items()}
        for index in range(KEYS["blocks"]):
            inside = f"{prefix}transformer_1d_blocks.{index}."
            found |= {inside + key: tuple(shape) for key, shape in connector["block"].items()}
    return found


def test_the_real_configuration_gives_exactly_the_released_keys_and_shapes() -> None:
    models = {stream: build_connector(REAL.transformer, stream) for stream in ("video", "audio")}
    features = build_features(REAL.transformer, 3840 * 49)
    own: dict[str, tuple[int, ...]] = {}
    for model, keys in [
        (features, feature_keys(features.state_dict())),
        *((model, connector_keys(model.state_dict(), stream)) for stream, model in models.items()),
    ]:
        own |= {keys[name]: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert own == real_keys()
    assert len(own) == KEYS["tensors"] == 262
    assert sum(p.numel() for model in (features, *models.values()) for p in model.parameters()) == 3_172_227_584


def test_the_synthetic_components_have_the_released_keys_and_shapes() -> None:
    shapes = checkpoint_shapes(REAL, NAMES)
    assert shapes == real_keys()
    assert parameter_count(shapes) == 3_172_227_584


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("roots") / "gemma"
    write_gemma(root, SEED)
    return root


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CheckpointFile]:
    """A whole file, and one for each component alone."""
    folder, found = tmp_path_factory.mktemp("checkpoints"), {}
    for name, components in {"whole": NAMES, **{name: [name] for name in NAMES}}.items():
        path = folder / f"{name}.safetensors"
        write_checkpoint(path, CheckpointSpec("tiny", SEED, components=tuple(components)))
        found[name] = CheckpointFile.open(path)
    return found


def test_each_part_loads_from_a_file_of_its_own(files: dict[str, CheckpointFile]) -> None:
    whole = load_text_embeddings(files["whole"], CPU, torch.float32, RELEASE_1_0_0).state_dict()
    parts = {
        "features": load_features(files["text_projection"], CPU, torch.float32),
        "video": load_connector(files["video_connector"], "video", CPU, torch.float32),
        "audio": load_connector(files["audio_connector"], "audio", CPU, torch.float32),
    }
    found = {f"{part}.{name}": x for part, model in parts.items() for name, x in model.state_dict().items()}
    assert found.keys() == whole.keys()
    assert all(torch.equal(found[name], whole[name]) for name in whole)


def test_a_file_without_the_text_stage_is_refused(files: dict[str, CheckpointFile]) -> None:
    with pytest.raises(InputError, match="no tensor 'text_embedding_projection"):
        load_features(files["video_connector"], CPU, torch.float32)
    with pytest.raises(InputError, match="missing video connector key"):
        load_connector(files["audio_connector"], "video", CPU, torch.float32)


def test_what_is_not_a_gemma_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no tokenizer\.json"):
        load_tokenizer(tmp_path, NEWEST)
    with pytest.raises(InputError, match=r"no config\.json"):
        load_gemma(tmp_path, CPU, torch.float32)


def test_another_language_model_is_refused(gemma: Path, tmp_path: Path) -> None:
    root = shutil.copytree(gemma, tmp_path / "gemma")
    document = json.loads((root / "config.json").read_text())
    (root / "config.json").write_text(json.dumps({**document, "model_type": "llama"}))
    with pytest.raises(InputError, match="model_type 'llama'; expected 'gemma3'"):
        load_gemma(root, CPU, torch.float32)


def test_weights_that_do_not_fit_the_config_are_refused(gemma: Path, tmp_path: Path) -> None:
    root = shutil.copytree(gemma, tmp_path / "gemma")
    document = json.loads((root / "config.json").read_text())
    document["text_config"]["num_hidden_layers"] = 4
    (root / "config.json").write_text(json.dumps(document))
    # Before a number of layers that somebody mistyped is built.
    with pytest.raises(InputError, match=r"num_hidden_layers 4; expected 3, as the weights have"):
        load_gemma(root, CPU, torch.float32)


def test_a_truncated_shard_and_a_missing_one_are_refused(gemma: Path, tmp_path: Path) -> None:
    root = shutil.copytree(gemma, tmp_path / "gemma")
    weights = root / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-2])
    with pytest.raises(InputError, match="a whole safetensors file"):
        load_gemma(root, CPU, torch.float32)
    weights.unlink()
    with pytest.raises(InputError, match=r"no model\*\.safetensors"):
        load_gemma(root, CPU, torch.float32)


def edited(gemma: Path, root: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    shutil.copytree(gemma, root)
    tensors = load_file(root / "model.safetensors")
    edit(tensors)
    save_file(tensors, root / "model.safetensors")
    return root


NORM = "language_model.model.norm.weight"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t[NORM].view(-1)[3].fill_(torch.nan), f"{NORM}: NaN or infinity"),
        (lambda t: t.pop(NORM), f"{NORM}: missing Gemma key"),
        (lambda t: t.update({NORM: torch.ones(25)}), rf"{NORM}: shape \(25,\); expected \(24,\)"),
        (lambda t: t.update({f"{NORM}.more": torch.ones(1)}), f"{NORM}.more: unknown Gemma key"),
        (lambda t: t.update({NORM: torch.ones(24, dtype=torch.int8)}), f"{NORM}: dtype I8"),
    ],
)
def test_gemma_is_loaded_as_strictly_as_a_checkpoint(
    gemma: Path, tmp_path: Path, edit: Callable[[dict[str, torch.Tensor]], object], message: str
) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        load_gemma(edited(gemma, tmp_path / "gemma", edit), CPU, torch.float32)
    assert "\n" not in str(refusal.value)


def test_gemma_in_several_files_is_gemma_in_one_and_no_key_may_come_twice(gemma: Path, tmp_path: Path) -> None:
    root = shutil.copytree(gemma, tmp_path / "gemma")
    tensors = load_file(root / "model.safetensors")
    whole = load_gemma(gemma, CPU, torch.bfloat16).state_dict()
    (root / "model.safetensors").unlink()
    save_file({NORM: tensors.pop(NORM)}, root / "model-00001-of-00002.safetensors")
    save_file(tensors, root / "model-00002-of-00002.safetensors")
    apart = load_gemma(root, CPU, torch.bfloat16).state_dict()
    assert apart.keys() == whole.keys()
    assert all(torch.equal(apart[name], whole[name]) for name in whole)
    shutil.copy(root / "model-00001-of-00002.safetensors", root / "model-old.safetensors")
    with pytest.raises(InputError, match=rf"{NORM}: also in model-00001-of-00002.safetensors"):
        load_gemma(root, CPU, torch.bfloat16)


def test_nothing_of_gemma_is_left_without_a_value(gemma: Path) -> None:
    model = load_gemma(gemma, CPU, torch.bfloat16)
    assert not [name for name, tensor in [*model.named_parameters(), *model.named_buffers()] if tensor.is_meta]
    assert not any(parameter.requires_grad for parameter in model.parameters())
