"""What a stage of the pipeline brings to be proven: its cases, its taps, and how each implementation is run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ltx_port.checkpoint.config import CheckpointConfig
from parity.ltx23.fault import Fault
from parity.ltx23.terms import SEED, Load, Pass, TensorPass, input_seed
from parity.taps import TapPlan

__all__ = ["SEED", "Case", "Load", "Pass", "Setting", "Stage", "TensorPass", "input_seed"]


@dataclass(frozen=True)
class Setting:
    """What passes and taps are laid out for: the checkpoint's configuration, the precision and the release."""

    config: CheckpointConfig
    dtype: torch.dtype
    release: str


# Compared and hashed by identity: its mappings cannot be hashed.
@dataclass(frozen=True, eq=False)
class Case:
    """A row of the probe matrix: one set of passes, and the faults that they guard against.

    `config`, `config_edits` (dotted keys), `layers` and `components` decide its checkpoint, `dtypes` the precisions
    it runs in. `drifts`: the suite `drift` runs it unasked; `recorded`: there are dumps of it; `real_size`: it runs
    at the real configuration, only when named or with --real-size; `thorough`: it runs only when named, and in the
    tests. `resident`: its weights are made on the device and are in no file, so it runs in lockstep alone. `options` is
    for the stage's own loaders.
    """

    id: str
    guards: str
    build: Callable[[Setting], Iterable[Pass]]
    config: str = "tiny"
    config_edits: Mapping[str, Any] = field(default_factory=dict)
    layers: int | None = None
    components: tuple[str, ...] | None = None
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.bfloat16)
    drifts: bool = False
    recorded: bool = False
    real_size: bool = False
    thorough: bool = False
    resident: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """A stage of the data path.

    `plan` lays out the taps of a pass. `load` and `call` run the port; `official` names the module below
    `reference_dumps.official` whose functions `load` and `call` run the reference with the same arguments.
    `components` are what its checkpoints hold; `files` writes what it needs beside one, each to the path it is
    given; `drawn` names those of them that are inputs, drawn from the seed of inputs. `seen_behind` maps ends of
    module paths of the port without a tap of their own to the end of the name of the tap that shows what they give.
    `proven_elsewhere` are paths of the port's modules that are looked into in the stage of their own, and here only
    from outside.

    For calibration: `truths` maps a working precision to the one that shows what the reference rounds, where that is
    not float64; taps that match `set_by_precision` are constants of the precision, which a wider one has otherwise;
    `join` puts passes in one batch, or gives None where they do not fit together.
    """

    id: str
    shows: str
    cases: tuple[Case, ...]
    plan: Callable[[Any, Setting], TapPlan]
    load: Callable[[Load], nn.Module]
    call: Callable[[nn.Module, Any], None]
    official: str
    budgets: Path
    components: tuple[str, ...]
    faults: tuple[Fault, ...] = ()
    files: Mapping[str, Callable[[Path, Case], None]] = field(default_factory=dict)
    drawn: tuple[str, ...] = ()
    seen_behind: Mapping[str, str] = field(default_factory=dict)
    proven_elsewhere: tuple[str, ...] = ()
    truths: Mapping[torch.dtype, torch.dtype] = field(default_factory=dict)
    set_by_precision: tuple[str, ...] = ()
    join: Callable[[Sequence[Any]], Pass | None] | None = None
