"""The small language model, bound: `ltx-parity run --model examples.second_model.binding:BINDING`."""

from pathlib import Path

import torch

from examples.second_model import candidate, reference
from parity.foreign.case_inputs import Argument
from parity.plain_binding import PlainBinding, PlainCase, PlainFault, PlainSide

_HERE = Path(__file__).parent


def _tokens(batch: int, length: int) -> Argument:
    drawn = torch.randint(0, reference.VOCABULARY, (batch, length), generator=torch.Generator().manual_seed(length))
    return Argument(drawn, "token ids [batch, tokens]")


def _exact_gelu(model: torch.nn.Module) -> None:
    for block in _blocks(model):
        block.gelu = torch.nn.GELU()


def _unscaled(model: torch.nn.Module) -> None:
    for block in _blocks(model):
        block.heads.scale = 8.0**0.5


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
        "text": PlainCase("a mask that sees ahead, a place that is off by one", lambda: {
            "pass_short": {"tokens": _tokens(1, 9)},
            "pass_pair": {"tokens": _tokens(2, reference.CONTEXT)},
        }),
    },
    known_faults={
        "G1": PlainFault("GELU by the error function, where the model has its tanh approximation", _exact_gelu),
        "G2": PlainFault("attention logits are not divided by the root of the heads' width", _unscaled),
    },
    repeats={"layer": reference.LAYERS},
    seed=7,
)  # fmt: skip
