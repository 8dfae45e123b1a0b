"""Where a tensor shows itself: an input, output or attribute of a module, or of a function a module calls."""

import copy
import dataclasses
import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from parity.errors import BadInputError

_GRAMMAR = re.compile(
    r"(?P<module>[^>:#\n]*)(#(?P<occurrence>\d+))?(::(?P<function>[\w.]+)@(?P<call>[\w.]+))?>(?P<side>in|out|attr)(?P<select>(\.\w+)*)"
)


class Side(Enum):
    """What of a call a port reads."""

    IN = "in"
    OUT = "out"
    ATTR = "attr"


@dataclass(frozen=True)
class Port:
    """One place in one implementation.

    Written `module.path>out`, `module.path>in.context` (an argument by name or by number),
    `module.path>out.0.tokens` (an element, then an attribute of it), `module.path>attr.scale` (a resolved
    constant), or `module.path::function@call>out` for a function that the module calls: `call` names one of the
    calls that the catalogue lists in their order. `module.path#1>out` is the second call of a module that runs more
    than once in a pass; without a number it must run once.
    """

    module: str
    side: Side
    select: tuple[str, ...]
    function: str | None = None
    call: str | None = None
    occurrence: int | None = None

    @staticmethod
    @cache
    def parse(text: str) -> "Port":
        """Read a port; BadInputError where it does not follow the grammar."""
        match = _GRAMMAR.fullmatch(text)
        if match is None:
            raise BadInputError(
                f"port {text!r}",
                "does not parse",
                "module.path>in|out|attr[.selector]",
                "correct the catalogue",
            )
        select = tuple(part for part in match["select"].split(".") if part)
        occurrence = None if match["occurrence"] is None else int(match["occurrence"])
        port = Port(match["module"], Side(match["side"]), select, match["function"], match["call"], occurrence)
        if port.side is not Side.OUT and not select:
            raise BadInputError(
                f"port {text!r}", "no selector", f"which {port.side.value} it reads", "add .name or .number"
            )
        if port.side is Side.ATTR and (port.function or port.occurrence is not None):
            raise BadInputError(f"port {text!r}", "attr of a call", "in or out of it", "correct the catalogue")
        if port.function and port.occurrence is not None:
            raise BadInputError(
                f"port {text!r}", "a numbered call of a function", "a call by name", "name the call in the catalogue"
            )
        return port

    def __str__(self) -> str:
        """Give the port as the catalogue writes it."""
        function = f"::{self.function}@{self.call}" if self.function else ""
        number = "" if self.occurrence is None else f"#{self.occurrence}"
        return f"{self.module}{number}{function}>{'.'.join((self.side.value, *self.select))}"


def select(value: Any, path: Sequence[str], where: str) -> Any:
    """Follow a selector through mappings, sequences and attributes."""
    for part in path:
        value = _step(value, part, where)
    return value


def substitute(value: Any, path: Sequence[str], new: Any, where: str) -> Any:
    """Give `value` with what the selector points at replaced; what it was built of is left as it was."""
    if not path:
        return new
    head, *rest = path
    inner = substitute(_step(value, head, where), rest, new, where)
    if isinstance(value, Mapping):
        # A copy of its own kind: a model may read its mappings by attribute.
        changed: Any = copy.copy(value) if isinstance(value, MutableMapping) else dict(value)
        changed[_key(value, head)] = inner
        return changed
    if isinstance(value, tuple) and (fields := getattr(value, "_fields", None)):
        index = int(head) if head.isdecimal() else _field(fields, head, value, where)
        return value._make((*value[:index], inner, *value[index + 1 :]))  # type: ignore[attr-defined]
    if isinstance(value, list | tuple):
        return type(value)(inner if i == int(head) else item for i, item in enumerate(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(value, **{head: inner})
    raise _lost(where, head, value)


def _step(value: Any, part: str, where: str) -> Any:
    try:
        if isinstance(value, Mapping):
            return value[_key(value, part)]
        if part.isdecimal():
            return value[int(part)]
        return getattr(value, part)
    except (KeyError, IndexError, AttributeError, TypeError):
        raise _lost(where, part, value) from None


def _key(value: Mapping[Any, Any], part: str) -> Any:
    """Give the key that a part means: a name, or a number that counts the entries."""
    return list(value)[int(part)] if part.isdecimal() and part not in value else part


def _field(fields: Sequence[str], name: str, value: Any, where: str) -> int:
    # A property can be read, but not replaced.
    if name not in fields:
        raise _lost(where, name, value)
    return fields.index(name)


def _lost(where: str, part: str, value: Any) -> BadInputError:
    return BadInputError(
        where,
        f"no {part!r} in a {type(value).__name__}",
        "the shape of call that the catalogue declares",
        "correct the catalogue, or the implementation changed",
    )
