"""How many bytes each phase takes, with weights that are all there and with weights that are streamed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from torch import nn
from torch.fx.experimental import _config as fx

from ltx_port.footprint.live import LiveBytes
from ltx_port.footprint.phases import Inputs, Phase, Setting, phases
from ltx_port.offload.slots import SLOTS, slot_bytes

_META = torch.device("meta")


@dataclass(frozen=True)
class Footprint:
    """The bytes of one phase on the device.

    `weights` are parameters and buffers, exactly; `streamed` is the share of them that can stay in host memory, and
    `slots` what they then take of the device, and of pinned host memory. `activations` is the peak of all else: inputs
    and what is computed from them, without the scratch memory of kernels, the allocator's rounding and the driver.
    """

    phase: str
    weights: int
    streamed: int
    slots: int
    activations: int

    @property
    def whole(self) -> int:
        """The peak with all weights on the device."""
        return self.weights + self.activations

    @property
    def offloaded(self) -> int:
        """The peak with layers streamed to the device, where the phase has such layers."""
        return self.weights - self.streamed + self.slots + self.activations


def footprints(setting: Setting, plain_attention: bool = False) -> Iterator[Footprint]:
    """Compute the phases one after the other, on the meta device; some seconds each at real size.

    `plain_attention`: with torch's plain kernel, which holds all scores; else with one that holds none.
    """
    return (footprint(phase, setting, plain_attention) for phase in phases(setting))


def footprint(phase: Phase, setting: Setting, plain_attention: bool = False) -> Footprint:
    """Compute one phase of a setting."""
    model = phase.build()
    layers = [[*layer.parameters(), *layer.buffers()] for layer in phase.layers(model)]
    return Footprint(
        phase.name,
        weights=_nbytes(model),
        streamed=sum(tensor.nbytes for layer in layers for tensor in layer),
        slots=SLOTS * slot_bytes(layers) if layers else 0,
        activations=activations(phase, model, setting, plain_attention),
    )


def activations(phase: Phase, model: nn.Module, setting: Setting, plain_attention: bool = False) -> int:
    """Compute the peak of a phase's inputs and activations in bytes; the model is on the meta device."""
    # A selection by mask (release 1.0.0 takes the text out of its padding) is counted as if it selected everything.
    everything = fx.patch(meta_nonzero_assume_all_nonzero=True)  # type: ignore[attr-defined]
    with everything, torch.inference_mode(), LiveBytes(_META, plain_attention) as live:
        phase.run(model, Inputs(_META, setting.dtype))
    return live.peak


def peak(rows: Sequence[Footprint]) -> tuple[int, int]:
    """Give the largest phase's bytes, whole and offloaded, where each phase's weights are freed before the next."""
    return max(row.whole for row in rows), max(row.offloaded for row in rows)


def _nbytes(model: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in chain(model.parameters(), model.buffers()))
