"""Links in their order, and how a state goes through them."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

from torch import Tensor

from parity.chain.link import Link, Outcome, State
from parity.errors import BadInputError, IncompleteError


def as_it_is(_key: str, tensor: Tensor) -> Tensor:
    """Give the tensor: nothing is rounded between links."""
    return tensor


class Visit(NamedTuple):
    """The link at a place while a state goes through: `before` is what is still needed, `given` what it made."""

    place: int
    link: Link
    before: State
    given: State


@dataclass(frozen=True)
class Chain:
    """A whole run, from its start to its outcomes.

    `represent` rounds a tensor, by its key, as the implementation holds it between links; it gives the very tensor
    where it rounds nothing. BadInputError for links that share a name, for an outcome that no link makes, and for
    steps that are not each one stretch of links, in their order.
    """

    name: str
    links: tuple[Link, ...]
    outcomes: tuple[Outcome, ...]
    represent: Callable[[str, Tensor], Tensor] = as_it_is

    def __post_init__(self) -> None:
        shared = [name for name, times in Counter(link.name for link in self.links).items() if times > 1]
        unmade = [outcome.key for outcome in self.outcomes if outcome.key not in self.carried]
        stretches = [step for step, _ in groupby(link.step for link in self.links) if step is not None]
        for got, expected in (
            (f"two links called {shared[0]}" if shared else "", "a name for each link"),
            (f"outcome {unmade[0]}" if unmade else "", "outcomes that a link gives"),
            ("no outcome" if not self.outcomes else "", "one outcome or more"),
            (f"steps {stretches}" if stretches != sorted(set(stretches)) else "", "each step once, in its order"),
        ):
            if got:
                raise BadInputError(f"chain {self.name}", got, expected, "correct the chain")

    @cached_property
    def carried(self) -> frozenset[str]:
        """What some link makes, so that it may carry an error; all else is as it was given."""
        return frozenset(key for link in self.links for key in link.gives)

    @cached_property
    def components(self) -> tuple[str, ...]:
        """The components in the order of their first use."""
        return tuple(dict.fromkeys(link.component for link in self.links))

    @cached_property
    def steps(self) -> dict[int, range]:
        """Each denoise step with the places of its links."""
        found: dict[int, range] = {}
        for index, link in enumerate(self.links):
            if link.step is not None:
                start = found[link.step].start if link.step in found else index
                found[link.step] = range(start, index + 1)
        return found

    @cached_property
    def needed(self) -> tuple[frozenset[str], ...]:
        """What is needed before each link, and behind the last: what it or a later one takes, and the outcomes."""
        live = frozenset(outcome.key for outcome in self.outcomes)
        found = [live]
        for link in reversed(self.links):
            live = (live - set(link.gives)) | set(link.takes)
            found.append(live)
        return tuple(reversed(found))

    def handed_on(self, index: int) -> tuple[str, ...]:
        """Name what carries an error from in front of link `index` on, sorted."""
        return tuple(sorted(self.needed[index] & self.carried))

    def walk(self, start: State) -> Iterator[Visit]:
        """Run the chain, link by link, as this implementation holds it; a tensor is dropped when nothing needs it."""
        state = self.held(start)
        for index, link in enumerate(self.links):
            state = {key: tensor for key, tensor in state.items() if key in self.needed[index]}
            given = self.held(link(state))
            yield Visit(index, link, state, given)
            state = {**state, **given}

    def run(self, start: State) -> dict[str, Tensor]:
        """Give the outcomes."""
        kept: dict[str, Tensor] = {}
        for visit in self.walk(start):
            kept.update((key, visit.given[key]) for key in visit.given if key in self.needed[-1])
        return kept

    def through(self, links: range, state: State) -> dict[str, Tensor]:
        """Run some links of it in a row on a state, and give the state behind them."""
        moved = self.held(state)
        for index in links:
            moved |= self.held(self.links[index](moved))
        return moved

    def held(self, state: State) -> dict[str, Tensor]:
        """Give the state as this implementation would hold it."""
        return {key: self.represent(key, tensor) for key, tensor in state.items()}


def require_same_links(one: Chain, other: Chain) -> None:
    """Refuse chains whose links do not pair off by name, component, takes and gives: IncompleteError."""
    for mine, theirs in zip(one.links, other.links, strict=False):
        described = [(link.name, link.component, link.takes, link.gives, link.step) for link in (mine, theirs)]
        if described[0] != described[1]:
            got, expected = f"link {theirs.name}", f"link {mine.name} with the same component, takes and gives"
            raise IncompleteError(f"chains {one.name} and {other.name}", got, expected, "lay both out alike")
    if len(one.links) != len(other.links):
        got, expected = f"{len(other.links)} links", f"{len(one.links)}"
        raise IncompleteError(f"chains {one.name} and {other.name}", got, expected, "lay both out alike")
