"""A plan: every tap that one forward pass must show, and where each implementation shows it."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from parity.taps.port import Port, Side


@dataclass(frozen=True)
class TapPoint:
    """One declared tap.

    `name` is whole (stage, step, pass, block, stream, part); `group` is what reports gather it under;
    `boundary` marks what a block receives, which teacher forcing replaces; `output` what it hands on.
    """

    name: str
    group: str
    ports: Mapping[str, Port]
    boundary: bool = False
    output: bool = False


@dataclass(frozen=True)
class CallSite:
    """A function that modules call in a declared order.

    `target` is `package.module:attribute`; `calls` names, for each module path, the calls it makes, in order.
    """

    function: str
    target: str
    calls: Mapping[str, tuple[str, ...]]


class Watched(NamedTuple):
    """A tap and its port, bound once: a hook must never look its name up when it runs."""

    name: str
    port: Port


class Filed(NamedTuple):
    """The taps of a plan by where one implementation shows them.

    `by_call` is by module, function and call; `constants` are resolved attributes.
    """

    names: tuple[str, ...]
    by_module: Mapping[str, Sequence[Watched]]
    by_call: Mapping[tuple[str, str, str], Sequence[Watched]]
    constants: Sequence[Watched]


@dataclass(frozen=True)
class TapPlan:
    """The taps of one pass in data-path order, with the call sites of each implementation."""

    taps: tuple[TapPoint, ...]
    call_sites: Mapping[str, tuple[CallSite, ...]] = field(default_factory=dict)
    _filed: dict[str, Filed] = field(default_factory=dict, init=False, repr=False, compare=False)

    def filed(self, implementation: str) -> Filed:
        """Give the taps by where an implementation shows them; they are filed once, however many passes follow."""
        if implementation not in self._filed:
            self._filed[implementation] = _file(self, implementation)
        return self._filed[implementation]

    def __iter__(self) -> Iterator[TapPoint]:
        """Iterate over the taps in data-path order."""
        return iter(self.taps)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in data-path order."""
        return tuple(tap.name for tap in self.taps)

    @property
    def boundaries(self) -> frozenset[str]:
        """The taps that teacher forcing replaces."""
        return frozenset(tap.name for tap in self.taps if tap.boundary)

    def constants(self, implementation: str) -> frozenset[str]:
        """The taps that are resolved constants, which cannot be forced."""
        return frozenset(tap.name for tap in self.taps if tap.ports[implementation].side is Side.ATTR)


def _file(plan: TapPlan, implementation: str) -> Filed:
    by_module: dict[str, list[Watched]] = defaultdict(list)
    by_call: dict[tuple[str, str, str], list[Watched]] = defaultdict(list)
    constants: list[Watched] = []
    for tap in plan:
        watched = Watched(tap.name, tap.ports[implementation])
        port = watched.port
        if port.side is Side.ATTR:
            constants.append(watched)
        elif port.function is not None and port.call is not None:
            by_call[port.module, port.function, port.call].append(watched)
        else:
            by_module[port.module].append(watched)
    return Filed(plan.names, dict(by_module), dict(by_call), constants)
