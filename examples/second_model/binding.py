"""The small language model, bound: `ltx-parity run --model examples.second_model.binding:BINDING`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from examples.second_model import candidate, reference
from parity.foreign.case_inputs import Argument
from parity.plain_binding import PlainBinding, PlainCase, PlainFault, PlainSide

_HERE = Path(__file__).parent
T = TypeVar("T")


def _tokens(batch: int, length: int) -> Argument:
    drawn = torch.randint(0, reference.VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(length))
    return Argument(drawn, "token ids [batch, tokens]")


def _exact_gelu(model: nn.Module) -> None:
    for block in _parts(model, candidate.Block):
        block.gelu = nn.GELU()


def _unscaled(model: nn.Module) -> None:
    for heads in _parts(model, candidate.Heads):
        heads.scale = 8.0**0.5


def _exchanged(model: nn.Module) -> None:
    for block in _parts(model, candidate.Block):
        block.thirds = _KeyAndValueExchanged()


def _places_from_one(model: nn.Module) -> None:
    for port in _parts(model, candidate.Port):
        port.wpe.data = port.wpe.data.roll(-1, 0)


class _KeyAndValueExchanged(candidate.Thirds):
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        query, key, value = super().forward(x)
        return query, value, key


def _parts(model: nn.Module, kind: type[T]) -> Iterator[T]:
    return (module for module in model.modules() if isinstance(module, kind))


BINDING = PlainBinding(
    name="second_model",
    shows="a small causal language model, from token ids to logits",
    catalogue=_HERE / "taps.toml",
    budget_file=_HERE / "budgets.toml",
    weights=reference.weights,
    sides={
        "candidate": PlainSide(candidate.Port, candidate.call),
        "reference": PlainSide(reference.load, reference.call),
    },
    known_cases={
        "text": PlainCase("attention that sees ahead, places that are off by one, two samples that mix", lambda: {
            "pass_short": {"tokens": _tokens(1, 9)},
            "pass_pair": {"tokens": _tokens(2, reference.CONTEXT)},
        }),
    },
    known_faults={
        "G1": PlainFault("GELU by the error function, where the model has its tanh approximation", _exact_gelu),
        "G2": PlainFault("attention logits are not divided by the root of the heads' width", _unscaled),
        "G3": PlainFault("key and value of the fused projection exchanged", _exchanged),
        "G4": PlainFault("places counted from 1", _places_from_one),
    },
    repeats={"layer": reference.LAYERS},
    seed=7,
)  # fmt: skip
