"""How a mapping file writes a step: a table with the step's name, and nothing that the step does not read."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from parity.errors import BadInputError
from parity.foreign import steps
from parity.store.bits import STORED_DTYPES

# The keys that a step may have besides its own name.
_OPTIONS: Mapping[str, frozenset[str]] = {
    "permute": frozenset(),
    "transpose": frozenset(),
    "reshape": frozenset(),
    "squeeze": frozenset(),
    "unsqueeze": frozenset(),
    "slice": frozenset({"stride", "axis"}),
    "split": frozenset({"take", "axis"}),
    "reorder": frozenset({"axis"}),
    "rope": frozenset({"heads", "axis"}),
    "concat": frozenset(),
    "stack": frozenset(),
    "cast": frozenset({"rounding"}),
    "scale": frozenset(),
    "add": frozenset(),
}
_MOST = 1 << 40


def read_steps(value: Any, where: str) -> tuple[steps.Step, ...]:
    """Read a list of steps; BadInputError names the one that is malformed."""
    if not isinstance(value, list):
        raise BadInputError(where, f"steps = {value!r:.60}", "a list of tables", "put them in brackets")
    return tuple(_read_step(step, f"{where}, step {number + 1}") for number, step in enumerate(value))


def _read_step(value: Any, where: str) -> steps.Step:
    named = [key for key in value if key in _OPTIONS] if isinstance(value, dict) else []
    if len(named) != 1:
        raise BadInputError(where, f"{value!r:.80}", f"a table with one of {', '.join(_OPTIONS)}", "correct the step")
    (name,) = named
    unknown = value.keys() - _OPTIONS[name] - {name}
    if unknown:
        known = ", ".join(sorted(_OPTIONS[name])) or "nothing"
        raise BadInputError(where, f"{name} with {sorted(unknown)!r:.80}", f"{known} beside it", "correct the step")
    return _MAKERS[name](value, where)


def _permute(value: dict[str, Any], where: str) -> steps.Step:
    axes = _whole_list(value, "permute", where, least=0)
    if sorted(axes) != list(range(len(axes))):
        raise BadInputError(where, f"permute = {list(axes)}", "each axis once, counted from 0", "correct the step")
    return steps.Permute(axes)


def _transpose(value: dict[str, Any], where: str) -> steps.Step:
    axes = _whole_list(value, "transpose", where, least=-_MOST)
    if len(axes) != 2 or axes[0] == axes[1]:
        raise BadInputError(where, f"transpose = {list(axes)}", "two axes", "name two, or use permute")
    return steps.Transpose(*axes)


def _reshape(value: dict[str, Any], where: str) -> steps.Step:
    sizes = _whole_list(value, "reshape", where, least=-1, empty=True)
    if sizes.count(-1) > 1 or 0 in sizes:
        raise BadInputError(where, f"reshape = {list(sizes)}", "sizes from 1 up, one -1 at most", "correct the step")
    return steps.Reshape(sizes)


def _slice(value: dict[str, Any], where: str) -> steps.Step:
    bounds = _whole_list(value, "slice", where, least=0)
    if len(bounds) != 2 or bounds[0] >= bounds[1]:
        raise BadInputError(where, f"slice = {list(bounds)}", "[start, stop], start below stop", "correct the step")
    return steps.Slice(*bounds, stride=_whole(value, "stride", where, 1, default=1), axis=_axis(value, where))


def _split(value: dict[str, Any], where: str) -> steps.Step:
    sizes = _whole_list(value, "split", where, least=1)
    take = _whole(value, "take", where, 0)
    if take >= len(sizes):
        raise BadInputError(where, f"take = {take} of {len(sizes)} parts", "a part, counted from 0", "correct the step")
    return steps.Split(sizes, take, _axis(value, where))


def _reorder(value: dict[str, Any], where: str) -> steps.Step:
    order = _whole_list(value, "reorder", where, least=0)
    if sorted(order) != list(range(len(order))):
        raise BadInputError(where, f"reorder = {list(order)}", "each part once, counted from 0", "correct the step")
    return steps.Reorder(order, _axis(value, where))


def _rope(value: dict[str, Any], where: str) -> steps.Step:
    ways = {"interleaved-to-split": True, "split-to-interleaved": False}
    if not isinstance(value["rope"], str) or value["rope"] not in ways:
        raise BadInputError(where, f"rope = {value['rope']!r:.60}", f"one of {', '.join(ways)}", "correct the step")
    return steps.Rope(ways[value["rope"]], _whole(value, "heads", where, 1), _axis(value, where))


def _cast(value: dict[str, Any], where: str) -> steps.Step:
    names = [name for name in STORED_DTYPES if name != "uint64"]
    if not isinstance(value["cast"], str) or value["cast"] not in names:
        raise BadInputError(where, f"cast = {value['cast']!r:.60}", f"one of {', '.join(names)}", "correct the step")
    reason = value.get("rounding")
    if reason is not None and (not isinstance(reason, str) or not reason.strip()):
        raise BadInputError(where, f"rounding = {reason!r:.60}", "the reason, in words", "say why values may change")
    return steps.Cast(getattr(torch, value["cast"]), reason)


def _scale(value: dict[str, Any], where: str) -> steps.Step:
    factor = _number(value, "scale", where)
    if factor == 0:
        raise BadInputError(where, "scale = 0", "a factor that leaves something", "correct the step")
    return steps.Affine(factor=factor)


_MAKERS: Mapping[str, Callable[[dict[str, Any], str], steps.Step]] = {
    "permute": _permute,
    "transpose": _transpose,
    "reshape": _reshape,
    "squeeze": lambda value, where: steps.Squeeze(_whole(value, "squeeze", where, -_MOST)),
    "unsqueeze": lambda value, where: steps.Unsqueeze(_whole(value, "unsqueeze", where, -_MOST)),
    "slice": _slice,
    "split": _split,
    "reorder": _reorder,
    "rope": _rope,
    "concat": lambda value, where: steps.Join(_whole(value, "concat", where, -_MOST)),
    "stack": lambda value, where: steps.Join(_whole(value, "stack", where, -_MOST), new=True),
    "cast": _cast,
    "scale": _scale,
    "add": lambda value, where: steps.Affine(term=_number(value, "add", where)),
}


def _axis(value: dict[str, Any], where: str) -> int:
    return _whole(value, "axis", where, -_MOST, default=-1)


def _whole(value: dict[str, Any], key: str, where: str, least: int, default: int | None = None) -> int:
    found = value.get(key, default)
    if type(found) is not int or not least <= found <= _MOST:
        bound = f" from {least} up" if least > -_MOST else ""
        raise BadInputError(where, f"{key} = {found!r:.60}", f"a whole number{bound}", "correct the step")
    return found


def _whole_list(value: dict[str, Any], key: str, where: str, least: int, empty: bool = False) -> tuple[int, ...]:
    found = value[key]
    if not isinstance(found, list) or not (found or empty):
        raise BadInputError(where, f"{key} = {found!r:.60}", "a list of whole numbers", "correct the step")
    return tuple(_whole({key: item}, key, where, least) for item in found)


def _number(value: dict[str, Any], key: str, where: str) -> float:
    found = value[key]
    if type(found) not in (int, float) or abs(found) > 1e300 or not math.isfinite(found):
        raise BadInputError(where, f"{key} = {found!r:.60}", "a finite number", "correct the step")
    return float(found)
