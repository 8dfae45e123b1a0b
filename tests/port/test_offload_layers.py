"""Layers that come to a device in turn: order, failure, memory, and that nothing else can tell."""

import gc
import weakref
from collections.abc import Callable
from functools import partial

import pytest
import torch
from late_lane import LateLane, late
from torch import Tensor, nn

from ltx_port.errors import InputError
from ltx_port.offload import LayerStream, stream_layers
from ltx_port.offload.slots import SLOTS

CPU = torch.device("cpu")
Streamed = Callable[[list[nn.Module]], LayerStream]
WAYS: dict[str, Streamed] = {
    "in place": lambda layers: stream_layers(layers, CPU),
    "two slots": lambda layers: LayerStream(layers, late),
}


class Layer(nn.Module):
    """A layer with a parameter of every shape that a slot has to lay out, and a buffer."""

    def __init__(self, seed: int, width: int = 8):
        super().__init__()
        draw = partial(torch.randn, generator=torch.Generator().manual_seed(seed))
        self.linear = nn.Linear(width, width)
        self.linear.weight.data, self.linear.bias.data = draw(width, width), draw(width)
        self.scale = nn.Parameter(draw(()))
        self.nothing = nn.Parameter(torch.empty(0, 3))
        self.register_buffer("shift", draw(width, dtype=torch.float64))
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.linear(x) * self.scale + self.shift.float())


def layers(count: int) -> list[Layer]:
    return [Layer(seed) for seed in range(count)]


def run(modules: list[Layer], order: list[int] | None = None) -> Tensor:
    x = torch.linspace(-1, 1, 16).view(2, 8)
    for number in range(len(modules)) if order is None else order:
        x = modules[number](x)
    return x


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_passes_one_after_the_other_give_the_bits_of_layers_that_stay(way: str, count: int) -> None:
    modules = layers(count)
    expected = run(modules)
    WAYS[way](list(modules))
    assert all(torch.equal(run(modules), expected) for _ in range(3))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("order", [[3, 2, 1, 0], [0, 0, 1, 1, 3, 3], [0, 2, 4, 1, 3], [4], [1, 0, 1, 0, 1]])
def test_layers_may_run_in_any_order_and_as_often_as_they_like(way: str, order: list[int]) -> None:
    modules = layers(5)
    expected = run(modules, order)
    WAYS[way](list(modules))
    assert torch.equal(run(modules, order), expected)
    assert torch.equal(run(modules), run(layers(5)))


def test_each_layer_is_brought_once_a_pass_and_what_both_slots_hold_never_again() -> None:
    for count, after_three_passes in [(1, 1), (2, 2), (5, 3 * 5 + 1)]:
        lanes: list[LateLane] = []
        modules = layers(count)
        LayerStream(modules, partial(late, lanes=lanes))
        for _ in range(3):
            run(modules)
        assert lanes[0].brought == after_three_passes


@pytest.mark.parametrize("way", WAYS)
def test_between_passes_a_layer_is_as_it_was(way: str) -> None:
    modules = nn.Sequential(*layers(4))
    before = {name: (tensor, tensor.data_ptr()) for name, tensor in modules.state_dict(keep_vars=True).items()}
    stream = WAYS[way](list(modules))
    for _ in range(2):
        modules(torch.ones(1, 8))
        after = modules.state_dict(keep_vars=True)
        assert {name: (tensor, tensor.data_ptr()) for name, tensor in after.items()} == before
        stream.remove()
        assert all(not module._forward_hooks and not module._forward_pre_hooks for module in modules)


def test_while_a_layer_runs_all_that_it_holds_is_in_a_slot() -> None:
    modules, seen = layers(3), list[list[bool]]()
    host = {tensor.data_ptr() for module in modules for tensor in module.state_dict().values() if tensor.numel()}

    def look(layer: Layer) -> None:
        held = (layer.linear.weight, layer.linear.bias, layer.scale, layer.shift)
        seen.append([tensor.data_ptr() in host for tensor in held])

    LayerStream(modules, late)
    for module in modules:
        module.linear.register_forward_hook(lambda *_, layer=module: look(layer))
        module.register_forward_hook(lambda layer, *_: look(layer))
    run(modules)
    assert seen == [[False] * 4, [True] * 4] * 3


@pytest.mark.parametrize("way", WAYS)
def test_a_layer_that_fails_leaves_all_layers_as_they_were(way: str) -> None:
    modules = layers(3)
    expected = run(modules)
    before = [tensor.data_ptr() for module in modules for tensor in module.parameters()]
    WAYS[way](list(modules))
    failing = modules[1].linear.register_forward_pre_hook(lambda *_: 1 / 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            run(modules)
        assert [tensor.data_ptr() for module in modules for tensor in module.parameters()] == before
    failing.remove()
    assert torch.equal(run(modules), expected)


def test_a_layer_half_sent_is_sent_anew() -> None:
    lanes: list[LateLane] = []
    modules = layers(3)
    expected = run(modules)
    LayerStream(modules, partial(late, lanes=lanes))
    send = lanes[0].send
    lanes[0].send = lambda slot, start, source: send(slot, start, source) if not start else 1 / 0  # type: ignore[method-assign, assignment]
    with pytest.raises(ZeroDivisionError):
        run(modules)
    lanes[0].send = send  # type: ignore[method-assign]
    assert torch.equal(run(modules), expected)


@pytest.mark.parametrize(
    "replace", [nn.Module.double, lambda layer: setattr(layer.linear.weight, "data", torch.ones(8, 8))]
)
def test_weights_that_were_replaced_are_not_lost_without_a_word(replace: Callable[[nn.Module], object]) -> None:
    modules = layers(3)
    LayerStream(modules, late)
    replace(modules[1])
    with pytest.raises(InputError, match="layer 1: its weights were replaced"):
        run(modules)


def test_what_cannot_be_streamed_is_refused_by_name() -> None:
    modules = layers(2)
    with pytest.raises(InputError, match="device meta: cannot be streamed to"):
        stream_layers(modules, torch.device("meta"))
    modules[1].linear.weight.data = torch.ones(8, 8).t()[:, ::2]
    with pytest.raises(InputError, match=r"layer 1: linear.weight: strides \(1, 16\)"):
        stream_layers(modules, CPU)
    with pytest.raises(InputError, match="layer 0: scale: on meta"):
        stream_layers([Layer(1).to("meta")], CPU)


def test_all_memory_goes_with_the_last_reference_to_the_layers() -> None:
    lanes: list[LateLane] = []
    modules = layers(3)
    stream = weakref.ref(LayerStream(modules, partial(late, lanes=lanes)))
    run(modules)
    slots = [weakref.ref(slot.untyped_storage()) for slot in lanes.pop().slots]
    gc.disable()
    try:
        modules.clear()
        assert stream() is None
        assert [slot() for slot in slots] == [None] * SLOTS
    finally:
        gc.enable()
