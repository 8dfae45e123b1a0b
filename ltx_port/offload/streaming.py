"""Layers that are brought to the device one after the other, by hooks on them: nobody else need know."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain

import torch
from torch import Tensor, nn

from ltx_port.errors import InputError
from ltx_port.offload.cuda_lane import CudaLane
from ltx_port.offload.slots import Slots, slot_bytes
from ltx_port.offload.transport import InPlace, LayerTensors, Transport


class LayerStream:
    """Hooks on layers that exchange their weights for those on the device while a layer runs.

    It lives as long as the layers do, or until `remove` takes the hooks away. It does not hold the layers, so that
    they and all of its memory are freed with the last reference to them.
    """

    def __init__(self, layers: Sequence[nn.Module], bring: Callable[[LayerTensors], Transport]):
        self._live = [list(chain(layer.parameters(), layer.buffers())) for layer in layers]
        self._host = [[tensor.data for tensor in tensors] for tensors in self._live]
        self._running: int | None = None
        self._transport = bring(self._host)
        self._hooks = []
        for number, layer in enumerate(layers):
            self._hooks.append(layer.register_forward_pre_hook(partial(self._enter, number)))
            # Always: a layer that fails must not keep the weights of a slot that the next one overwrites.
            self._hooks.append(layer.register_forward_hook(partial(self._leave, number), always_call=True))

    def remove(self) -> None:
        """Take the hooks away; the weights stay in host memory."""
        for hook in self._hooks:
            hook.remove()

    def _enter(self, number: int, *_: object) -> None:
        assert self._running is None, "a streamed layer runs inside another one"
        for live, host in zip(self._live[number], self._host[number], strict=True):
            if live.data_ptr() != host.data_ptr() or live.dtype is not host.dtype:
                raise _replaced(number)
        for live, arrived in zip(self._live[number], self._transport.arrived(number), strict=True):
            live.data = arrived
        self._running = number

    def _leave(self, number: int, *_: object) -> None:
        if self._running != number:
            # It failed before its weights were there.
            return
        self._running = None
        for live, host in zip(self._live[number], self._host[number], strict=True):
            live.data = host
        self._transport.left(number)
        # After the last layer comes the first one again, of the next pass.
        self._transport.begin((number + 1) % len(self._host))


def stream_layers(layers: Sequence[nn.Module], device: torch.device) -> LayerStream:
    """Have layers, whose weights are in host memory, run on `device` with their weights brought there in turn.

    Just before a layer's forward pass its parameters and buffers become those in a slot on the device, and just after
    it those in host memory again: paths, parameters and `state_dict` stay as they are. While a layer computes, the
    next one is brought. On a CUDA device this takes two slots of the largest layer's size, and as much pinned host
    memory; on the CPU the weights are used where they are. The bits are those of a layer that is there for good.

    Layers may run in any order, each as often as it likes, but only one at a time. A layer's `forward` may be
    compiled, the layer with its hooks may not. InputError for weights that are not in host memory, and for a device
    of another kind; when a layer runs, for weights that were replaced (as `Module.to` does) and would be lost.
    """
    for number, layer in enumerate(layers):
        for name, tensor in chain(layer.named_parameters(), layer.named_buffers()):
            _require_on_host(f"layer {number}: {name}", tensor)
    return LayerStream(layers, partial(_transport, device=device))


def _transport(layers: LayerTensors, device: torch.device) -> Transport:
    if device.type == "cpu":
        return InPlace(layers)
    if device.type == "cuda":
        return Slots(layers, CudaLane(slot_bytes(layers), device))
    raise InputError(f"device {device}", "cannot be streamed to", "cpu or cuda", "load the whole model onto it")


def _require_on_host(where: str, tensor: Tensor) -> None:
    if tensor.device.type != "cpu" or not tensor.is_contiguous():
        got = f"on {tensor.device}" if tensor.is_contiguous() else f"strides {tensor.stride()}"
        raise InputError(where, got, "a contiguous tensor in host memory", "load it with the layers left on the host")


def _replaced(number: int) -> InputError:
    got = "its weights were replaced since they are streamed"
    return InputError(f"layer {number}", got, "the weights that it was loaded with", "load the model anew")
