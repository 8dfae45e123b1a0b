"""The error of each link by itself: an implementation's link and the truth's, fed the same state."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from parity.chain import Chain, Link, State, require_same_links
from parity.chain.vectors import difference, length, ratio


@dataclass(frozen=True, eq=False)
class Use:
    """One tensor that a link gives: its local error, and the norms of that and of itself.

    `vector` is the error, float32 of the tensor's `shape`; None where there is none.
    """

    link: int
    component: str
    key: str
    shape: tuple[int, ...]
    error: float
    value: float
    vector: Tensor | None


def local_errors(truth: Chain, own: Chain, start: State) -> list[Use]:
    """Give the local errors of `own` along the truth's run, in the order of the links.

    A link is fed the truth's state as `own` would hold it, and so is the truth's link that it is compared with: an
    error made in holding a state is that of the link that made the state. IncompleteError for chains that do not pair
    off.
    """
    require_same_links(truth, own)
    found = []
    for index, link, before, given in truth.walk(start):
        error = _error(link, own.links[index], own, before, given)
        found += [_use(index, link, key, error.get(key), given[key]) for key in link.gives]
    return found


def _error(link: Link, own_link: Link, own: Chain, before: State, given: State) -> dict[str, Tensor]:
    taken = {key: before[key] for key in link.takes}
    held = own.held(taken)
    kept = all(held[key] is tensor for key, tensor in taken.items())
    expected = given if kept else link(held)
    made = own_link(held)
    return difference(own.held(made), expected, link.name)


def _use(index: int, link: Link, key: str, error: Tensor | None, value: Tensor) -> Use:
    size = 0.0 if error is None else length([error])
    return Use(index, link.component, key, tuple(value.shape), size, length([value]), error)


def by_component(uses: Iterable[Use]) -> dict[str, list[Use]]:
    """Sort uses by their component, in the order of their first use."""
    found: dict[str, list[Use]] = defaultdict(list)
    for use in uses:
        found[use.component].append(use)
    return dict(found)


def relative_size(uses: Iterable[Use]) -> float:
    """Give the root mean square, over the links that use a component, of its relative L2 error in each."""
    errors: dict[int, float] = defaultdict(float)
    values: dict[int, float] = defaultdict(float)
    for use in uses:
        errors[use.link] += use.error**2
        values[use.link] += use.value**2
    squares = [ratio(errors[link], values[link]) for link in errors]
    return (sum(squares) / len(squares)) ** 0.5 if squares else 0.0
