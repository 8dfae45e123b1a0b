"""A plan: every tap that one forward pass must show, and where each implementation shows it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class TapPlan:
    """The taps of one pass in data-path order, with the call sites of each implementation."""

    taps: tuple[TapPoint, ...]
    call_sites: Mapping[str, tuple[CallSite, ...]] = field(default_factory=dict)

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
