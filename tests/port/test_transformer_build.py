"""The transformer as a program: its keys, its strict loading, its refusals."""

import json
from pathlib import Path

import pytest
import torch

from ltx_port.checkpoint.config import parse_config
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.key_map import TransformerKeyMap
from ltx_port.checkpoint.load import build_transformer, load_transformer
from ltx_port.errors import InputError
from ltx_port.transformer import DenoisedPrediction, ModalityInput, Perturbation, Skip, denoised_from_velocity
from parity.ltx23.configs import config_text
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.write import write_checkpoint

DATA = Path(__file__).parents[1] / "data"
CPU = torch.device("cpu")


def real_keys() -> dict[str, tuple[int, ...]]:
    """Every transformer key and shape of the released file."""
    recorded = json.loads((DATA / "transformer_keys.json").read_text(encoding="utf-8"))
    prefix = recorded["prefix"]
    found = {prefix + key: tuple(shape) for key, shape in recorded["ends"].items()}
    for block in range(recorded["num_blocks"]):
        inside = f"{prefix}transformer_blocks.{block}."
        found |= {inside + key: tuple(shape) for key, shape in recorded["block"].items()}
    return found


def test_the_real_configuration_gives_exactly_the_released_keys_and_shapes() -> None:
    config = parse_config(config_text("ltx-2.3-22b"), "test").transformer
    model = build_transformer(config)
    keys = TransformerKeyMap(config.num_layers)
    own = {keys.to_official(name): tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert own == real_keys()
    assert len(own) == 4186
    assert sum(parameter.numel() for parameter in model.parameters()) == 18_988_838_144


def test_the_key_map_is_invertible() -> None:
    keys = TransformerKeyMap(3)
    for official in keys.official_keys():
        assert keys.to_official(keys.to_port(official)) == official


@pytest.mark.parametrize(
    "key", ["", "blocks.3.video.modulation.table", "model.diffusion_model.x", "patchify_proj.weight"]
)
def test_an_unknown_key_is_refused_by_name(key: str) -> None:
    for look_up in (TransformerKeyMap(3).to_official, TransformerKeyMap(3).to_port):
        with pytest.raises(InputError, match="unknown key"):
            look_up(key)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "one.safetensors"
    write_checkpoint(path, CheckpointSpec("tiny", 1, num_layers=1))
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


KEY = "model.diffusion_model.transformer_blocks.0.attn1.to_q.weight"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda tensors: tensors.pop(KEY), "missing transformer key"),
        (lambda tensors: tensors.update({KEY.replace("attn1", "attn9"): torch.ones(1)}), "unknown transformer key"),
        (lambda tensors: tensors.update({KEY: torch.ones(64, 65)}), r"shape \(64, 65\)"),
        (lambda tensors: tensors[KEY].view(-1)[3].fill_(torch.nan), "NaN or infinity"),
        (lambda tensors: tensors[KEY].view(-1)[3].fill_(-torch.inf), "NaN or infinity"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_in_one_line(
    checkpoint: Path, tmp_path: Path, edit: object, message: str
) -> None:
    changed = rewritten(checkpoint, tmp_path / "changed.safetensors", edit)
    with pytest.raises(InputError, match=message) as refusal:
        load_transformer(changed, CPU, torch.float32)
    assert "transformer_blocks.0.attn" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_weights_too_large_for_a_precision_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    changed = rewritten(checkpoint, tmp_path / "large.safetensors", lambda tensors: tensors[KEY].fill_(1e30))
    load_transformer(changed, CPU, torch.float32)
    with pytest.raises(InputError, match="load it in a wider dtype"):
        load_transformer(changed, CPU, torch.float16)


def stream(channels: int, context: int, axes: int, tokens: int, batch: int = 1, **changes: object) -> ModalityInput:
    fields = {
        "latent": torch.randn(batch, tokens, channels),
        "sigma": torch.full((batch,), 0.5),
        "timesteps": torch.full((batch, tokens, 1), 0.5),
        "positions": torch.rand(batch, axes, tokens, 2),
        "context": torch.randn(batch, 4, context),
    }
    return ModalityInput(**{**fields, **changes})


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> DenoisedPrediction:
    return DenoisedPrediction(load_transformer(CheckpointFile.open(checkpoint), CPU, torch.float32))


def test_no_modality_is_refused(model: DenoisedPrediction) -> None:
    with pytest.raises(InputError, match="no modality"):
        model(None, None)


def test_unequal_batches_are_refused(model: DenoisedPrediction) -> None:
    with pytest.raises(InputError, match="same batch in both streams"):
        model(stream(16, 64, 3, 4, batch=1), stream(32, 32, 1, 5, batch=2))


def test_perturbations_must_be_one_for_each_sample(model: DenoisedPrediction) -> None:
    with pytest.raises(InputError, match="one for each of 1 samples"):
        model(stream(16, 64, 3, 4), None, [Perturbation(), Perturbation()])


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"latent": torch.randn(1, 4, 17)}, "video.latent"),
        ({"sigma": torch.full((2,), 0.5)}, "video.sigma"),
        ({"timesteps": torch.full((1, 5, 1), 0.5)}, "video.timesteps"),
        ({"positions": torch.rand(1, 1, 4, 2)}, "video.positions"),
        ({"attention_mask": torch.ones(1, 4, 5)}, "video.attention_mask"),
        ({"context_mask": torch.ones(1, 9, dtype=torch.int64)}, "video.context_mask"),
        ({"context": torch.randn(1, 4, 63)}, "video.context"),
        ({"latent": torch.randn(1, 0, 16), "timesteps": torch.rand(1, 0, 1), "positions": torch.rand(1, 3, 0, 2)},
         "video.latent"),
    ],
)  # fmt: skip
def test_shapes_that_disagree_are_refused_by_name(model: DenoisedPrediction, changes: dict, where: str) -> None:
    # Past the annotations' own check, which only the tests have.
    unchecked = object.__new__(ModalityInput)
    given = vars(stream(16, 64, 3, 4)) | changes
    for name, value in given.items():
        object.__setattr__(unchecked, name, value)
    from ltx_port.transformer.inputs import StreamWidths, check_modality

    with pytest.raises(InputError, match=where):
        check_modality("video", unchecked, StreamWidths(channels=16, axes=3, context=64))


def test_skipping_everything_is_each_modality_alone(model: DenoisedPrediction) -> None:
    video, audio = stream(16, 64, 3, 4), stream(32, 32, 1, 5)
    apart = [Perturbation({Skip.AUDIO_TO_VIDEO: None, Skip.VIDEO_TO_AUDIO: None})]
    together = model(video, audio, apart)
    assert torch.equal(together[0], model(video, None)[0])
    assert torch.equal(together[1], model(None, audio)[1])


def test_clean_tokens_stay_as_they_are() -> None:
    latent, velocity = torch.randn(1, 3, 4), torch.randn(1, 3, 4)
    timesteps = torch.tensor([0.0, 0.5, 1.0]).view(1, 3, 1)
    x0 = denoised_from_velocity(latent, velocity, timesteps)
    assert torch.equal(x0[:, 0], latent[:, 0])
    assert torch.equal(x0[:, 2], latent[:, 2] - velocity[:, 2])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_model_runs_in_every_precision(checkpoint: Path, dtype: torch.dtype) -> None:
    model = DenoisedPrediction(load_transformer(CheckpointFile.open(checkpoint), CPU, dtype))
    video, audio = stream(16, 64, 3, 4), stream(32, 32, 1, 5)
    narrowed = [
        ModalityInput(**{**vars(s), "latent": s.latent.to(dtype), "context": s.context.to(dtype)})
        for s in (video, audio)
    ]
    for x0 in model(*narrowed):
        assert x0.dtype is dtype
        assert torch.isfinite(x0).all()
