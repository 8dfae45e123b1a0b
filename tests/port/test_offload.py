"""Streamed blocks compute, bit for bit, what blocks that are there for good compute; on a GPU with `-m gpu`."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from late_lane import LateLane, late
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.load import load_transformer
from ltx_port.errors import InputError
from ltx_port.lora import Lora, LoraFile, LoraFusion
from ltx_port.offload import LayerStream, stream_layers
from ltx_port.offload.cuda_lane import CudaLane
from ltx_port.offload.slots import SLOTS, Slots
from ltx_port.release import RELEASE_1_0_0
from ltx_port.text.gemma import load_gemma
from ltx_port.transformer import DenoisedPrediction
from parity.ltx23.stages import CASES
from parity.ltx23.stages.transformer.port import call
from parity.ltx23.synthetic.gemma import write_gemma
from parity.ltx23.synthetic.lora_file import LoraSpec
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.write import write_checkpoint
from parity.ltx23.world import World
from parity.run.forward import Implementation, observe

CPU = torch.device("cpu")
DTYPES = [torch.float32, torch.bfloat16]


@pytest.fixture(scope="module")
def worlds() -> Iterator[dict[str, World]]:
    kinds = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    made = {kind: World(torch.device(kind)) for kind in kinds}
    for world in made.values():
        world.__enter__()
    yield made
    for world in made.values():
        world.__exit__(None, None, None)


def transformer(world: World, case: str, dtype: torch.dtype, offload: bool) -> DenoisedPrediction:
    checkpoint = CheckpointFile.open(world.checkpoint(CASES[case]))
    loaded = load_transformer(checkpoint, world.device, dtype, RELEASE_1_0_0, offload_blocks=offload)
    return DenoisedPrediction(loaded)


def require_same_taps(world: World, case: str, dtype: torch.dtype, *ways: DenoisedPrediction) -> None:
    """Two rounds of the case's passes: the second begins with what the first left in the slots."""
    plain = transformer(world, case, dtype, offload=False)
    for forward in world.forwards(CASES[case], dtype):
        expected = observe(Implementation("port", plain, call), forward)
        for streamed in ways * 2:
            found = observe(Implementation("port", streamed, call), forward)
            assert found.keys() == expected.keys()
            assert [name for name, tensor in expected.items() if not torch.equal(tensor, found[name])] == []


@pytest.mark.parametrize(("case", "dtype"), [("guided-b1", torch.bfloat16), ("batched", torch.float32)], ids=str)
def test_every_tap_of_streamed_blocks_has_the_bits_of_blocks_that_stay(
    worlds: dict[str, World], case: str, dtype: torch.dtype
) -> None:
    in_place = transformer(worlds["cpu"], case, dtype, offload=True)
    slotted = transformer(worlds["cpu"], case, dtype, offload=False)
    LayerStream(list(slotted.transformer.blocks), late)
    require_same_taps(worlds["cpu"], case, dtype, in_place, slotted)


def test_streamed_blocks_are_the_mapped_file(worlds: dict[str, World]) -> None:
    checkpoint = CheckpointFile.open(worlds["cpu"].checkpoint(CASES["streams"]))
    models = [load_transformer(checkpoint, CPU, torch.bfloat16, offload_blocks=offload) for offload in (True, False)]
    # Where they are there is nothing to bring, but the hooks are those of any device.
    assert [len(block._forward_pre_hooks) for model in models for block in model.blocks] == [1, 1, 0, 0]
    streamed, plain = (model.state_dict() for model in models)
    assert list(streamed) == list(plain)
    assert all(tensor.data_ptr() == plain[name].data_ptr() for name, tensor in streamed.items())


LAYER = "transformer_blocks.1.attn1.to_q"


@pytest.fixture(scope="module")
def fusions(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], LoraFusion]:
    folder = tmp_path_factory.mktemp("lora")
    spec = CheckpointSpec("tiny", 5, num_layers=3)
    checkpoint = CheckpointFile.open(write_checkpoint(folder / "model.safetensors", spec).path)
    wide = LoraSpec(spec.resolved_config(), (LAYER, "transformer_blocks.2.ff.net.2", "patchify_proj"), 4, 6)
    lora = LoraFile.open(write_checkpoint(folder / "lora.safetensors", wide).path)
    return lambda: LoraFusion(checkpoint, [Lora(lora, 0.5)])


def require_same_weights(fusion: LoraFusion, device: torch.device) -> None:
    for dtype in DTYPES:
        plain = fusion.load_transformer(device, dtype).state_dict()
        streamed = fusion.load_transformer(device, dtype, offload_blocks=True).state_dict()
        assert {tensor.device.type for name, tensor in streamed.items() if name.startswith("blocks.")} == {"cpu"}
        assert {tensor.device.type for name, tensor in streamed.items() if "blocks." not in name} == {device.type}
        assert all(torch.equal(tensor.cpu(), streamed[name].cpu()) for name, tensor in plain.items())


def test_fused_weights_are_computed_once_and_held_on_the_host(fusions: Callable[[], LoraFusion]) -> None:
    fusion, fused = fusions(), list[str]()
    for layer in fusion.layers:
        layer.register_forward_hook(lambda *_: fused.append(""))
    model = fusion.load_transformer(CPU, torch.bfloat16, offload_blocks=True)
    assert len(fused) == len(fusion.fused) == 3
    stages = Slots([list(block.parameters()) for block in model.blocks], LateLane([list(model.parameters())]))
    for number, block in enumerate(model.blocks):
        arrived = stages.arrived(number)
        assert all(torch.equal(*pair) for pair in zip(arrived, block.parameters(), strict=True))
        stages.left(number)
    assert len(fused) == 3
    require_same_weights(fusions(), CPU)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_what_stays_on_the_host_is_checked_as_strictly(worlds: dict[str, World], tmp_path: Path, value: float) -> None:
    key = "model.diffusion_model.transformer_blocks.1.attn1.to_q.weight"
    path = worlds["cpu"].checkpoint(CASES["streams"])
    metadata = CheckpointFile.open(path)._metadata
    for edit, message in [
        (lambda t: t[key].view(-1)[3].fill_(value), f"{key}: NaN or infinity"),
        (lambda t: t.pop(key), f"{key}: missing"),
        (lambda t: t.update({key: torch.ones(3, 3)}), rf"{key}: shape \(3, 3\)"),
        (lambda t: t.update({f"{key}s": torch.ones(3)}), f"{key}s: unknown"),
    ]:
        tensors = load_file(path)
        edit(tensors)
        save_file(tensors, tmp_path / "edited.safetensors", metadata)
        with pytest.raises(InputError, match=message):
            load_transformer(
                CheckpointFile.open(tmp_path / "edited.safetensors"), CPU, torch.bfloat16, offload_blocks=True
            )


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("roots") / "gemma"
    write_gemma(root, 3)
    return root


def require_same_states(gemma: Path, dtype: torch.dtype, device: torch.device, *ways: nn.Module) -> None:
    ids = torch.arange(2, 66, device=device).view(2, 32) % 50
    mask = (torch.arange(64, device=device).view(2, 32) % 32 > 5).to(torch.int64)
    with torch.inference_mode():
        expected = load_gemma(gemma, device, dtype)(ids, mask)
        for streamed in ways * 2:
            assert all(torch.equal(*pair) for pair in zip(streamed(ids, mask), expected, strict=True))


def test_gemmas_layers_are_streamed_by_the_same_means(gemma: Path) -> None:
    in_place = load_gemma(gemma, CPU, torch.bfloat16, offload_layers=True)
    assert all(layer._forward_pre_hooks for layer in in_place.model.layers)
    slotted = load_gemma(gemma, CPU, torch.bfloat16)
    LayerStream(list(slotted.model.layers), late)
    require_same_states(gemma, torch.bfloat16, CPU, in_place, slotted)


def on_gpu(test: Callable) -> Callable:
    missing = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device: none is visible to torch")
    return pytest.mark.gpu(missing(test))


WIDTH, COUNT = 2048, 9
SLOT = WIDTH * WIDTH * 4
ABOUT_20_MS = 30_000_000


class Late(nn.Module):
    """A matrix, multiplied long after the host has launched it: the host and the copies run ahead."""

    def __init__(self, seed: int, cycles: int):
        super().__init__()
        weight = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(seed)) / WIDTH**0.5
        self.weight, self.cycles = nn.Parameter(weight, requires_grad=False), cycles

    def forward(self, x: Tensor) -> Tensor:
        if self.cycles:
            torch.cuda._sleep(self.cycles)
        return torch.tanh(x @ self.weight)


def matrices(cycles: int = 0) -> nn.Sequential:
    return nn.Sequential(*(Late(seed, cycles) for seed in range(COUNT)))


def given() -> Tensor:
    return torch.randn(4, WIDTH, generator=torch.Generator().manual_seed(99)).cuda()


def passes(model: nn.Module, x: Tensor) -> list[Tensor]:
    return [model(x + number) for number in range(4)]


@on_gpu
@pytest.mark.parametrize("late_part", ["computing", "copies", "neither"])
@pytest.mark.parametrize("own_stream", [False, True])
def test_on_a_gpu_neither_late_computing_nor_late_copies_change_a_bit(
    late_part: str, own_stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = matrices(ABOUT_20_MS if late_part == "computing" else 0), given()
    if late_part == "copies":
        claim = CudaLane.claim

        def sleepy(lane: CudaLane, slot: int) -> None:
            claim(lane, slot)
            with torch.cuda.stream(lane._stream):
                torch.cuda._sleep(ABOUT_20_MS)

        monkeypatch.setattr(CudaLane, "claim", sleepy)
    stream = torch.cuda.Stream() if own_stream else torch.cuda.current_stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream), torch.inference_mode():
        expected = passes(deepcopy(model).cuda(), x)
        stream_layers(list(model), torch.device("cuda"))
        found = passes(model, x)
    torch.cuda.synchronize()
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


@on_gpu
def test_on_a_gpu_two_layers_are_held_and_freed_with_the_model() -> None:
    model, x = matrices(), given()
    with torch.inference_mode():
        model.cuda()(x)  # what the libraries keep for themselves
        model.cpu()
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        stream_layers(list(model), torch.device("cuda"))
        torch.cuda.reset_peak_memory_stats()
        passes(model, x)
    # Beyond the slots: what is computed, and what the allocator rounds them up by. All nine layers are 151 MB.
    assert SLOTS * SLOT <= torch.cuda.max_memory_allocated() - before <= SLOTS * SLOT + (4 << 20)
    del model
    assert torch.cuda.memory_allocated() == before


@on_gpu
@pytest.mark.parametrize("case", ["guided-b1", "batched"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_on_a_gpu_every_tap_has_the_bits_of_blocks_that_stay(
    worlds: dict[str, World], case: str, dtype: torch.dtype
) -> None:
    require_same_taps(worlds["cuda"], case, dtype, transformer(worlds["cuda"], case, dtype, offload=True))


@on_gpu
def test_on_a_gpu_loras_are_fused_there_before_they_are_held_on_the_host(fusions: Callable[[], LoraFusion]) -> None:
    require_same_weights(fusions(), torch.device("cuda"))


@on_gpu
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_on_a_gpu_gemmas_layers_have_the_bits_of_layers_that_stay(gemma: Path, dtype: torch.dtype) -> None:
    device = torch.device("cuda")
    require_same_states(gemma, dtype, device, load_gemma(gemma, device, dtype, offload_layers=True))
