"""LoRA files: what fits is fused, what does not is refused by its name; the checkpoint stays as it is."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.key_map import TRANSFORMER_PREFIX, TransformerKeyMap
from ltx_port.checkpoint.load import load_transformer
from ltx_port.errors import InputError
from ltx_port.lora import Lora, LoraFile, LoraFusion
from ltx_port.release import RELEASES
from parity.errors import BadInputError
from parity.ltx23.synthetic.lora_file import LoraSpec
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.write import write_checkpoint

CPU = torch.device("cpu")
LAYER = "transformer_blocks.0.attn1.to_q"
OTHER = "transformer_blocks.0.ff.net.2"
A, B = (f"diffusion_model.{LAYER}.lora_{factor}.weight" for factor in "AB")
CHECKPOINT = CheckpointSpec("tiny", 5, num_layers=1)
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> CheckpointFile:
    path = tmp_path_factory.mktemp("checkpoint") / "one.safetensors"
    write_checkpoint(path, CHECKPOINT)
    return CheckpointFile.open(path)


@pytest.fixture
def lora(tmp_path: Path) -> LoraFile:
    spec = LoraSpec(CHECKPOINT.resolved_config(), (LAYER, OTHER), 4, 6)
    return LoraFile.open(write_checkpoint(tmp_path / "lora.safetensors", spec).path)


def changed(lora: LoraFile, edit: Callable[[Tensors], object]) -> LoraFile:
    tensors = load_file(lora.path)
    edit(tensors)
    path = lora.path.with_name("changed.safetensors")
    save_file(tensors, path)
    return LoraFile.open(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.pop(A), f"{B}: no lora_A beside it"),
        (lambda t: t.pop(B), f"{A}: no lora_B beside it"),
        (lambda t: t.update({A: torch.ones(3, 64).bfloat16()}), r"lora_A of shape \[3, 64\], lora_B of \[64, 4\]"),
        (lambda t: t.update({A: torch.ones(4).bfloat16()}), r"lora_A of shape \[4\]"),
        (lambda t: t.update({A: t[A].float()}), "lora_A of torch.float32, lora_B of torch.bfloat16"),
        (lambda t: t.update({A: t[A].to(torch.int8), B: t[B].to(torch.int8)}), "dtype I8"),
        (lambda t: t.update({f"diffusion_model.{LAYER}.alpha": torch.ones(1)}), "to_q.alpha: unknown key"),
        (lambda t: t.update({A.replace("lora_A", "lora_down"): t[A].clone()}), "lora_down.weight: unknown key"),
        (lambda t: t.update({A.removeprefix("diffusion_model."): t[A].clone()}), f"{LAYER} comes twice"),
        (lambda t: t.clear(), "no tensors"),
    ],
)
def test_a_file_that_is_no_lora_is_refused_by_the_key(lora: LoraFile, edit: Callable, message: str) -> None:
    with pytest.raises(InputError, match=message) as refusal:
        changed(lora, edit)
    assert "\n" not in str(refusal.value)


def renamed(layer: str) -> Callable[[Tensors], object]:
    return lambda t: t.update({key.replace(LAYER, layer): t.pop(key) for key in (A, B)})


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (renamed("transformer_blocks.1.attn1.to_q"), "transformer_blocks.1.attn1.to_q: no layer of the transformer"),
        (renamed("model.diffusion_model.x"), "model.diffusion_model.x: no layer"),
        (renamed("video_embeddings_connector.transformer_1d_blocks.0.attn1.to_q"), "to_q: no layer"),
        (renamed("transformer_blocks.0.attn1.q_norm"), r"q_norm: a matrix of \[64, 64\]; expected \[64\] as"),
        (renamed("transformer_blocks.0.audio_attn1.to_q"), r"a matrix of \[64, 64\]; expected \[32, 32\] as"),
    ],
)
def test_a_layer_that_does_not_fit_the_transformer_is_refused_by_name(
    checkpoint: CheckpointFile, lora: LoraFile, edit: Callable, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        LoraFusion(checkpoint, [Lora(changed(lora, edit))])


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("key", [A, B])
def test_a_factor_that_is_not_finite_is_refused_by_its_key(
    checkpoint: CheckpointFile, lora: LoraFile, key: str, value: float
) -> None:
    broken = changed(lora, lambda t: t[key].view(-1)[5].fill_(value))
    with pytest.raises(InputError, match=f"{key}: NaN or infinity"):
        LoraFusion(checkpoint, [Lora(broken)]).load_transformer(CPU, torch.bfloat16)


@pytest.mark.parametrize("strength", [float("nan"), float("inf")])
def test_a_strength_that_is_not_finite_is_refused(checkpoint: CheckpointFile, lora: LoraFile, strength: float) -> None:
    with pytest.raises(InputError, match=r"strength: (nan|inf); expected a finite number"):
        LoraFusion(checkpoint, [Lora(lora, strength)])


def test_layers_are_left_out_only_by_name(checkpoint: CheckpointFile, lora: LoraFile) -> None:
    foreign = changed(lora, renamed("text_embedding_projection.video_aggregate_embed"))
    with pytest.raises(InputError, match="name their beginning in `leave`"):
        LoraFusion(checkpoint, [Lora(foreign)])
    fusion = LoraFusion(checkpoint, [Lora(foreign, leave=("text_embedding_projection.",))])
    assert fusion.fused == (f"{TRANSFORMER_PREFIX}{OTHER}.weight",)
    with pytest.raises(InputError, match="leave 'nothing'"):
        LoraFusion(checkpoint, [Lora(lora, leave=("nothing",))])


def test_weights_in_another_dtype_than_the_reference_fuses_into_are_refused(lora: LoraFile, tmp_path: Path) -> None:
    spec = CheckpointSpec("tiny", 5, dtype=torch.float32, num_layers=1)
    wide = CheckpointFile.open(write_checkpoint(tmp_path / "wide.safetensors", spec).path)
    with pytest.raises(InputError, match=r"to_q.weight: torch.float32; expected bfloat16"):
        LoraFusion(wide, [Lora(lora)])


def weights(model: torch.nn.Module) -> Tensors:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("release", sorted(RELEASES))
def test_only_the_layers_of_the_lora_change_and_the_checkpoint_does_not(
    checkpoint: CheckpointFile, lora: LoraFile, release: str, dtype: torch.dtype
) -> None:
    chosen, names = RELEASES[release], TransformerKeyMap(1)
    bytes_before = checkpoint.path.read_bytes()
    plain = weights(load_transformer(checkpoint, CPU, dtype, chosen))
    fused = weights(LoraFusion(checkpoint, [Lora(lora, 0.5)], chosen).load_transformer(CPU, dtype))
    different = {name for name, tensor in plain.items() if not torch.equal(tensor, fused[name])}
    assert different == {names.to_port(f"{TRANSFORMER_PREFIX}{layer}.weight") for layer in (LAYER, OTHER)}
    # Of the same open file: nothing was written to the mapped tensors either.
    again = weights(load_transformer(checkpoint, CPU, dtype, chosen))
    assert all(torch.equal(tensor, again[name]) for name, tensor in plain.items())
    assert checkpoint.path.read_bytes() == bytes_before


@pytest.mark.parametrize("release", sorted(RELEASES))
def test_a_fused_weight_is_weight_plus_strength_times_b_a(
    checkpoint: CheckpointFile, lora: LoraFile, release: str
) -> None:
    key = f"{TRANSFORMER_PREFIX}{LAYER}.weight"
    base, a, b = checkpoint.read(key, CPU).double(), lora.read(A, CPU).double(), lora.read(B, CPU).double()
    fusion = LoraFusion(checkpoint, [Lora(lora, 0.75), Lora(lora, -0.25)], RELEASES[release])
    assert torch.allclose(fusion.read(key, CPU, torch.bfloat16).double(), base + 0.5 * b @ a, atol=0.02)


def test_strengths_of_zero_fuse_nothing(checkpoint: CheckpointFile, lora: LoraFile) -> None:
    assert LoraFusion(checkpoint, [Lora(lora, 0.0), Lora(lora, 0.0)]).fused == ()
    assert LoraFusion(checkpoint, []).fused == ()
    assert len(LoraFusion(checkpoint, [Lora(lora, 0.0), Lora(lora, 0.1)]).fused) == 2


def test_a_synthetic_lora_has_only_layers_of_the_transformer() -> None:
    with pytest.raises(BadInputError, match=r"no layer '.*q_norm'"):
        LoraSpec(CHECKPOINT.resolved_config(), ("transformer_blocks.0.attn1.q_norm",), 4, 6).shapes()
