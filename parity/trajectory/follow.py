"""Two live chains, step by step: on the candidate's own way, and with each step fed the reference's state."""

from dataclasses import dataclass, field

from torch import Tensor

from parity.chain import Chain, Link, State, require_same_links
from parity.chain.progress import Progress, silent
from parity.chain.vectors import length, ratio, relative
from parity.errors import BadInputError, IncompleteError
from parity.trajectory.quality import qualities
from parity.trajectory.record import GuidanceError, StepError, Trajectory


@dataclass
class _Way:
    """One way through a chain, and what its linear combinations took and gave."""

    chain: Chain
    state: dict[str, Tensor]
    combined: dict[str, State] = field(default_factory=dict)

    def through(self, links: range) -> None:
        for index in links:
            link = self.chain.links[index]
            taken = {key: self.state[key] for key in link.takes}
            given = self.chain.held(link(taken))
            if link.combines is not None:
                self.combined[link.name] = {**{f"in.{key}": tensor for key, tensor in taken.items()}, **given}
            moved = {**self.state, **given}
            self.state = {key: tensor for key, tensor in moved.items() if key in self.chain.needed[index + 1]}


def follow(reference: Chain, candidate: Chain, start: State, progress: Progress = silent) -> Trajectory:
    """Run both from one start, and compare them behind every denoise step and at the end.

    The reset test runs each step of the candidate once more, on the reference's state in front of it. IncompleteError
    for chains that do not pair off, BadInputError for chains without steps.
    """
    require_same_links(reference, candidate)
    if not reference.steps:
        raise BadInputError(
            f"chain {reference.name}", "no steps", "a chain of denoise steps", "name the step of each link"
        )
    own, truth = _Way(candidate, candidate.held(start)), _Way(reference, reference.held(start))
    steps: list[StepError] = []
    guidance: list[GuidanceError] = []
    done = 0
    for step, links in reference.steps.items():
        progress(f"{candidate.name}: step {step}", step, len(reference.steps))
        for way in (truth, own):
            way.through(range(done, links.start))
        before = (truth.state, own.state)
        fed = _Way(candidate, candidate.held(truth.state))
        for way in (truth, own, fed):
            way.through(links)
        done = links.stop
        handed_on = (reference.handed_on(links.start), reference.handed_on(links.stop))
        inherited = reference.through(links, before[1])
        steps += _errors(step, handed_on, before, (truth.state, own.state, fed.state, inherited))
        guidance += _guided(step, [reference.links[index] for index in links], (truth, own, fed))
    for way in (truth, own):
        way.through(range(done, len(reference.links)))
    progress(candidate.name, len(reference.steps), len(reference.steps))
    final = {o.key: _relative(own.state, truth.state, o.key) for o in reference.outcomes}
    found = tuple(q for o in reference.outcomes for q in qualities(o, truth.state[o.key], own.state[o.key]))
    return Trajectory(reference.name, candidate.name, tuple(steps), tuple(guidance), final, found)


def _errors(
    step: int, keys: tuple[tuple[str, ...], tuple[str, ...]], before: tuple[State, State], after: tuple[State, ...]
) -> list[StepError]:
    truth, own, fed, inherited = after
    received = relative(_difference(before[1], before[0], keys[0]), before[0], keys[0])
    # By the reference's links on both states: the candidate's would add their own rounding, twice.
    made = relative(_difference(inherited, truth, keys[1]), truth, keys[1])
    gain = ratio(made, received) if received > 0 else None
    return [StepError(step, key, _relative(own, truth, key), _relative(fed, truth, key), gain) for key in keys[1]]


def _guided(step: int, links: list[Link], ways: tuple[_Way, _Way, _Way]) -> list[GuidanceError]:
    truth, own, fed = ways
    found = []
    for link in links:
        if link.combines is None:
            continue
        told = truth.combined[link.name]
        for result, weights in link.combines({key: told[f"in.{key}"] for key in link.takes}).items():
            first = f"in.{next(iter(weights))}"
            chained, local = (_amplification(way.combined[link.name], told, first, result) for way in (own, fed))
            found.append(GuidanceError(step, result, chained, local))
    return found


def _amplification(own: State, truth: State, first: str, result: str) -> float | None:
    error = _relative(own, truth, first)
    return _relative(own, truth, result) / error if error > 0 else None


def _relative(own: State, truth: State, key: str) -> float:
    if own[key].shape != truth[key].shape:
        got, expected = f"shape {tuple(own[key].shape)}", f"{tuple(truth[key].shape)}"
        raise IncompleteError(key, got, expected, "lay both chains out alike")
    return ratio(length([own[key] - truth[key]]), length([truth[key]]))


def _difference(one: State, other: State, keys: tuple[str, ...]) -> dict[str, Tensor]:
    return {key: one[key] - other[key] for key in keys}
