"""Known faults, to be planted in an otherwise correct port: what the harness must catch, and where it must point.

The identifiers follow the list of faults that real ports of this model shipped; those with a Z are our own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ltx_port.transformer import DenoisedPrediction

Plant = Callable[[DenoisedPrediction], None]


def _plant_nothing(_: DenoisedPrediction) -> None:
    """Leave the model: the fault is in what it is built from."""


@dataclass(frozen=True)
class Fault:
    """One fault: what is wrong, the end of the name of the tap that must be the first over budget, how to plant it.

    `config` replaces keys of the configuration that the port reads, `plant` changes the loaded port; `case` is a
    case that shows it.
    """

    id: str
    wrong: str
    first_tap: str
    case: str
    plant: Plant = _plant_nothing
    config: Mapping[str, Any] = field(default_factory=dict)


FAULTS: dict[str, Fault] = {}


def planted(identifier: str, first_tap: str, case: str = "small") -> Callable[[Plant], Plant]:
    """Register a function that plants a fault; the first line of its docstring says what is wrong."""

    def register(plant: Plant) -> Plant:
        wrong = (plant.__doc__ or "").splitlines()[0].rstrip(".")
        _add(Fault(identifier, wrong, first_tap, case, plant))
        return plant

    return register


def configured(identifier: str, wrong: str, first_tap: str, config: Mapping[str, Any], case: str = "small") -> None:
    """Register a fault of configuration: the port reads other values than the checkpoint states."""
    _add(Fault(identifier, wrong, first_tap, case, config=config))


def _add(fault: Fault) -> None:
    assert fault.id not in FAULTS, f"two faults are called {fault.id}"
    FAULTS[fault.id] = fault
