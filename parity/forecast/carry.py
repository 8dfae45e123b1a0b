"""Errors carried along a chain: what the links behind make of them, by finite differences."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from parity.chain import Chain, Link, State
from parity.chain.vectors import difference, moved
from parity.forecast.model import Injection

Error = Mapping[str, Tensor]


class Passage(NamedTuple):
    """One probe at one link: the state there, the error that came in, what the link gave, and the error it handed on.

    `received` is what it received of the probe; `handed_on` is what it made of that, before its own error.
    """

    probe: int
    link: Link
    before: State
    received: Error
    given: State
    handed_on: Error


def carry(
    chain: Chain, start: State, probes: Sequence[Injection], watch: Callable[[Passage], None] | None = None
) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
    """Give the outcomes, and for each probe their errors.

    Each probe adds errors behind links, and the differences of the state run on through the chain's own links beside
    the state itself: (f(x + error) - f(x)) in float32. A link that takes nothing with an error is not run for it.
    """
    errors: list[dict[str, Tensor]] = [{} for _ in probes]
    outcomes: dict[str, Tensor] = {}
    for index, link, before, given in chain.walk(start):
        needed = chain.needed[index + 1]
        for probe, injection in enumerate(probes):
            received = {key: errors[probe][key] for key in link.takes if key in errors[probe]}
            made: dict[str, Tensor] = {}
            if received:
                made = difference(link(moved(before, received)), given, link.name)
                if watch is not None:
                    watch(Passage(probe, link, before, received, given, made))
            fresh = _sum(made, injection.get(index, {}), given)
            kept = {key: error for key, error in errors[probe].items() if key not in link.gives}
            errors[probe] = {key: error for key, error in {**kept, **fresh}.items() if key in needed}
        outcomes.update((key, given[key]) for key in given if key in chain.needed[-1])
    return outcomes, errors


def _sum(made: Error, own: Error, given: State) -> dict[str, Tensor]:
    """Add the error that a link makes to what it made of those before."""
    found = dict(made)
    for key, drawn in own.items():
        error = drawn.to(given[key].device)
        found[key] = found[key] + error if key in found else error
    return found
