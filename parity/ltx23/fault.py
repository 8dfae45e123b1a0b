"""Known faults, to be planted in an otherwise correct port: what the harness must catch, and where it must point.

The identifiers follow the list of faults that real ports of this model shipped; those with a Z are our own.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn

from parity.blame import Expectation, expectations

Model = TypeVar("Model", bound=nn.Module)
Plant = Callable[[Any], None]


def _plant_nothing(_: nn.Module) -> None:
    """Leave the model: the fault is in what it is built from."""


@dataclass(frozen=True)
class Fault:
    """One fault: what is wrong, the first tap that must be over budget, how to plant it.

    `first_tap` is the end of the tap's name, behind stage and pass. `config` replaces dotted keys of the
    configuration that the port reads, `plant` changes the loaded port (its root module). `case` and `forward` are a
    case and the pass in it that show the fault, in `dtype`, in `suite`, under `release`.

    `hint` declares which hints would be right, as what the fault does decides: kinds, with the number, axis or tensor
    that each has to state (parity/blame/expectation.py); it is empty where no value shows what is wrong.
    `ltx-parity faults` judges blame by it.
    """

    id: str
    wrong: str
    stage: str
    case: str
    forward: str
    first_tap: str
    plant: Plant = _plant_nothing
    config: Mapping[str, Any] = field(default_factory=dict)
    dtype: torch.dtype = torch.bfloat16
    suite: str = "exact"
    release: str = "1.0.0"
    hint: str = ""

    def __post_init__(self) -> None:
        # What cannot be met is refused at once.
        assert isinstance(self.hints, tuple), self.id

    @property
    def hints(self) -> tuple[Expectation, ...]:
        """The hints of which each would be right; ValueError for a declaration that cannot be read."""
        return expectations(self.hint)

    @property
    def tap(self) -> str:
        """The whole name of the first tap that must be over budget."""
        return f"{self.stage}.{self.forward}.{self.first_tap}"


class Faults:
    """The faults of one stage, gathered as they are written; `case` and `forward` are where most of them show."""

    def __init__(self, stage: str, case: str, forward: str):
        self._shared: dict[str, Any] = {"stage": stage, "case": case, "forward": forward}
        self._found: dict[str, Fault] = {}

    def __iter__(self) -> Iterator[Fault]:
        """Iterate over the faults in the order in which they are written."""
        return iter(self._found.values())

    def planted(self, identifier: str, first_tap: str, **where: Any) -> Callable[[Plant], Plant]:
        """Register a function that plants a fault; the first line of its docstring says what is wrong.

        `where` sets other fields of Fault.
        """

        def register(plant: Plant) -> Plant:
            wrong = (plant.__doc__ or "").splitlines()[0].rstrip(".")
            self._add(Fault(identifier, wrong, first_tap=first_tap, plant=plant, **{**self._shared, **where}))
            return plant

        return register

    def configured(self, identifier: str, wrong: str, first_tap: str, config: Mapping[str, Any], **where: Any) -> None:
        """Register a fault of configuration: the port reads other values than the checkpoint states."""
        self._add(Fault(identifier, wrong, first_tap=first_tap, config=config, **{**self._shared, **where}))

    def _add(self, fault: Fault) -> None:
        assert fault.id not in self._found, f"two faults are called {fault.id}"
        self._found[fault.id] = fault
