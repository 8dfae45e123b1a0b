"""The gain of each link, of each step, and of each linear combination."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor

from parity.chain import Chain, State
from parity.chain.vectors import difference, length, moved, ratio, relative, white
from parity.forecast.carry import Error, Passage
from parity.forecast.record import Combination, Gain

PROBE = 2.0**-8
"""The relative size of a probe: the rounding unit of bfloat16, some 30,000 times that of float32."""


def gains(chain: Chain, start: State, seed: int) -> tuple[list[Gain], list[Gain]]:
    """Give the gain of each link that carries errors on, and of each step, from one random probe each.

    A probe is white noise, PROBE times as large as each tensor that it is added to. Gains are of relative L2 errors
    over all tensors that carry errors: what a link takes and gives, what goes into a step and leaves it.
    """
    generator = torch.Generator().manual_seed(seed)
    links, steps = [], []
    inside: dict[str, Tensor] = {}
    entered = 0.0
    for index, link, before, given in chain.walk(start):
        if link.step is not None and index == chain.steps[link.step].start:
            inside = probe(before, chain.handed_on(index), generator)
            entered = relative(inside, before, chain.handed_on(index))
        takes = sorted(chain.carried & set(link.takes))
        if takes:
            added = probe(before, takes, generator)
            made = difference(link(moved(before, added)), given, link.name)
            links.append(Gain(link.name, ratio(relative(made, given, link.gives), relative(added, before, takes))))
        if link.step is not None:
            inside = _through(chain, index, before, given, inside)
            if index == chain.steps[link.step].stop - 1:
                keys = chain.handed_on(index + 1)
                steps.append(Gain(f"step{link.step:02d}", ratio(relative(inside, {**before, **given}, keys), entered)))
    return links, steps


def probe(state: State, keys: Sequence[str], generator: torch.Generator) -> dict[str, Tensor]:
    """Draw white noise for some tensors of a state, PROBE times as large as each."""
    return {key: white(state[key], PROBE * length([state[key]]), generator) for key in keys}


def _through(chain: Chain, index: int, before: State, given: State, error: Error) -> dict[str, Tensor]:
    """Take an error through one link."""
    link = chain.links[index]
    received = {key: error[key] for key in link.takes if key in error}
    made = difference(link(moved(before, received)), given, link.name) if received else {}
    kept = {key: tensor for key, tensor in error.items() if key not in link.gives}
    return {key: tensor for key, tensor in {**kept, **made}.items() if key in chain.needed[index + 1]}


def merged(runs: list[list[Gain]]) -> tuple[Gain, ...]:
    """Give the median of each gain over runs."""
    found: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for gain in run:
            found[gain.name].append(gain.gain)
    return tuple(Gain(name, median(values)) for name, values in found.items())


@dataclass
class Combinations:
    """Watches links that are linear combinations while errors are carried through them."""

    found: list[Combination] = field(default_factory=list)

    def __call__(self, passage: Passage) -> None:
        """Measure a passage, where its link is one."""
        if passage.link.combines is None:
            return
        for result, weights in passage.link.combines(passage.before).items():
            if result in passage.handed_on:
                self.found.append(_combination(passage, result, weights))


def _combination(passage: Passage, result: str, weights: Mapping[str, float]) -> Combination:
    zero = torch.zeros_like(passage.given[result])
    errors = torch.stack([passage.received.get(part, zero).flatten().double() for part in weights])
    products = errors @ errors.T
    factors = torch.tensor(list(weights.values()), dtype=torch.float64, device=products.device)
    norms = products.diagonal().sqrt()
    first = ratio(float(norms[0]), length([passage.before[next(iter(weights))]]))
    size = length([passage.given[result]])
    correlations = torch.nan_to_num(products / norms / norms.view(-1, 1))

    def against_first(error: float) -> float:
        return ratio(ratio(error, size), first)

    return Combination(
        link=passage.link.name,
        result=result,
        parts=tuple(weights),
        weights=tuple(weights.values()),
        correlations=tuple(map(tuple, correlations.tolist())),
        amplification=against_first(length([passage.handed_on[result]])),
        by_weights=against_first(max(0.0, float(factors @ products @ factors)) ** 0.5),
        independent=against_first(float((factors * norms).norm())),
    )


def merged_combinations(found: list[Combination]) -> tuple[Combination, ...]:
    """Give the median of each figure of a combination over the probes that went through it."""
    together: dict[tuple[str, str], list[Combination]] = defaultdict(list)
    for one in found:
        together[one.link, one.result].append(one)
    return tuple(_middle(same) for same in together.values())


def _middle(same: list[Combination]) -> Combination:
    count = range(len(same[0].parts))
    return Combination(
        link=same[0].link,
        result=same[0].result,
        parts=same[0].parts,
        weights=tuple(median(one.weights[i] for one in same) for i in count),
        correlations=tuple(tuple(median(one.correlations[i][j] for one in same) for j in count) for i in count),
        amplification=median(one.amplification for one in same),
        by_weights=median(one.by_weights for one in same),
        independent=median(one.independent for one in same),
    )
