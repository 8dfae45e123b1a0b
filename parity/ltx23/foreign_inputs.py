"""The inputs of a case for a port in any language: every tensor and plain value of its passes, and what they mean."""

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from enum import Enum
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor

from parity.errors import BadInputError
from parity.foreign.case_inputs import Argument, CaseInputs, PassInputs, PlainValue, WeightsFile
from parity.ltx23.recording import manifest
from parity.ltx23.stage import Case
from parity.ltx23.stages import stage_of
from parity.ltx23.world import World
from parity.run.forward import Forward

# Told by the manifest for all passes, or nothing that a port reads.
_TOLD_ELSEWHERE = ("name", "dtype", "device")


def case_inputs(world: World, case: Case, dtype: torch.dtype, passes: tuple[str, ...], command: str) -> CaseInputs:
    """Gather what a case is run with; `passes` narrows it to some of its passes, by name.

    BadInputError for a pass that the case does not have, or an input whose meaning nobody wrote down.
    """
    forwards = {forward.name: forward for forward in world.forwards(case, dtype)}
    unknown = [name for name in passes if name not in forwards]
    if unknown:
        raise BadInputError(f"pass {unknown[0]!r}", "unknown", f"one of {', '.join(forwards)}", "choose one")
    stage = stage_of(case).id
    options = {name: plain(value) for name, value in case.options.items() if not callable(value)}
    return CaseInputs(
        binding="ltx23",
        stage=stage,
        guards=case.guards,
        passes=tuple(_pass(stage, forwards[name]) for name in passes or forwards),
        weights={name: WeightsFile(path, meaning(stage, "weights", name)) for name, path in world.files(case).items()},
        origin=manifest(world, case, dtype, "inputs", command),
        options={name: PlainValue(value, meaning(stage, "options", name)) for name, value in options.items()},
    )


def _pass(stage: str, forward: Forward) -> PassInputs:
    prefix = f"{forward.name}."
    tensors = {name.removeprefix(prefix): tensor for name, tensor in forward.inputs.tensors().items()}
    values = dict(_flat(forward.inputs, ""))
    return PassInputs(
        forward.name,
        {name: Argument(tensor, meaning(stage, "arguments", name)) for name, tensor in tensors.items()},
        {name: PlainValue(value, meaning(stage, "settings", name)) for name, value in values.items()},
        forward.plan.names,
    )


def _flat(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Give the plain values of a record by dotted names; records within it are gone through, tensors left out."""
    for field in dataclasses.fields(value):
        found, name = getattr(value, field.name), f"{prefix}{field.name}"
        if (field.name in _TOLD_ELSEWHERE and not prefix) or _is_tensors(found) or found == {}:
            continue
        if dataclasses.is_dataclass(found):
            yield from _flat(found, f"{name}.")
        elif field.name == "settings" and isinstance(found, Mapping):
            yield from ((f"{prefix}{key}", plain(item)) for key, item in found.items())
        else:
            yield name, plain(found)


def _is_tensors(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value) and all(isinstance(item, Tensor) for item in value.values())
    if isinstance(value, tuple):
        return bool(value) and all(isinstance(item, Tensor) for item in value)
    return isinstance(value, Tensor)


def plain(value: Any) -> Any:
    """Give a value as JSON has it; tensors in it are left out, being arguments of their own."""
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, torch.dtype | torch.device):
        return str(value).removeprefix("torch.")
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items() if not isinstance(item, Tensor)}
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value if not isinstance(item, Tensor)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise BadInputError("inputs", f"a {type(value).__name__} among the inputs", "plain values", "export another case")


def meaning(stage: str, kind: str, name: str) -> str:
    """Say what an input means: the one text of meanings.toml whose pattern matches it; else BadInputError."""
    known = _meanings()
    texts = {**known["any"].get(kind, {}), **known.get(stage, {}).get(kind, {})}
    found = [text for pattern, text in texts.items() if fnmatchcase(name, pattern)]
    if len(found) != 1:
        raise BadInputError(
            f"meanings.toml: {stage}.{kind}: {name!r}", f"{len(found)} meanings", "exactly one", "write it down"
        )
    return found[0]


@cache
def _meanings() -> dict[str, dict[str, dict[str, str]]]:
    return tomllib.loads((files("parity.ltx23") / "meanings.toml").read_text(encoding="utf-8"))
