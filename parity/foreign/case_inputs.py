"""What a binding hands over for a port in another language: every input of a case, its weights, what they mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from parity.store import Manifest


@dataclass(frozen=True)
class Argument:
    """One input tensor of a pass."""

    tensor: Tensor
    meaning: str


@dataclass(frozen=True)
class PlainValue:
    """One input that is no tensor: a JSON value."""

    value: Any
    meaning: str


@dataclass(frozen=True)
class PassInputs:
    """Everything that one pass is called with, and the names of the taps that it shows, in data-path order."""

    name: str
    arguments: Mapping[str, Argument]
    settings: Mapping[str, PlainValue]
    taps: tuple[str, ...]


@dataclass(frozen=True)
class WeightsFile:
    """A file or a folder that the model is loaded from."""

    path: Path
    meaning: str


@dataclass(frozen=True)
class CaseInputs:
    """A case as a port needs it; `origin` says what every dump of the case says, for all of its passes.

    `options` is how the model is loaded or called in all passes.
    """

    binding: str
    stage: str
    guards: str
    passes: tuple[PassInputs, ...]
    weights: Mapping[str, WeightsFile]
    origin: Manifest
    options: Mapping[str, PlainValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """Values of a reference's dump that are exported as well, so that a part of the model can be run alone."""

    dump: Path
    patterns: tuple[str, ...]
