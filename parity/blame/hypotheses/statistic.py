"""Single numbers that are another statistic of a known tensor than the reference's."""

from collections.abc import Callable, Iterator

import numpy as np

from parity.blame.evidence import Proposal
from parity.blame.record import HintKind
from parity.blame.scene import Array, Scene, as_array

_NEAREST = 48
# The share of siblings at which a reading has to hold.
_MOST_SIBLINGS = 0.8


def _deviation_of_samples(values: Array) -> float:
    """Give the mean of the standard deviations of the samples (axis 0)."""
    flat = values.reshape(len(values), -1)
    return float(flat.std(axis=1, ddof=1).mean()) if flat.shape[1] > 1 else float("nan")


_STATISTICS: dict[str, Callable[[Array], float]] = {
    "mean": lambda x: float(x.mean()),
    "standard deviation (n - 1)": lambda x: float(x.std(ddof=1)) if x.size > 1 else float("nan"),
    "standard deviation (n)": lambda x: float(x.std()),
    "variance (n - 1)": lambda x: float(x.var(ddof=1)) if x.size > 1 else float("nan"),
    "root mean square": lambda x: float(np.sqrt(np.mean(x**2))),
    "norm": lambda x: float(np.sqrt(np.sum(x**2))),
    "mean size": lambda x: float(np.abs(x).mean()),
    "largest size": lambda x: float(np.abs(x).max()),
    "mean of the samples' standard deviations": _deviation_of_samples,
}


class Statistic:
    """A single number: the reference is one statistic of a known tensor, the candidate another of the same."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose the statistics that both sides are, here and at the siblings that differ too."""
        if scene.own.size != 1:
            return
        here = _readings(scene)
        there = [(_digits(sibling), _readings(sibling)) for sibling in scene.siblings if sibling.own.size == 1]
        speaks = {
            reading: _digits(scene) + sum(digits for digits, found in there if reading in found)
            for reading in here
            # A reading that fails where the same is computed elsewhere is none.
            if sum(reading in found for _, found in there) >= _MOST_SIBLINGS * len(there)
        }
        for reading in sorted(speaks, key=lambda reading: -speaks[reading])[:1]:
            of_own, of_reference = reading
            words = f"is the {of_own} of {here[reading]}, where the reference is its {of_reference}"
            # The reference's own reading is one of many too, which a narrow dtype does not tell apart.
            read = -np.log2(max(scene.epsilon, 2e-7)) - np.log2(len(_STATISTICS) * _NEAREST)
            bits = speaks[reading] - float(np.log2(len(_STATISTICS))) + min(0.0, float(read))
            yield Proposal(HintKind.STATISTIC, words, scene.own, bits=bits, fact=True)


def _readings(scene: Scene) -> dict[tuple[str, str], str]:
    """Give the pairs of statistics that the two sides are of one near tensor, each with the nearest one's name."""
    near = sorted((known for known in scene.known if 0 < known.steps <= _NEAREST), key=lambda k: k.steps)
    readings: dict[tuple[str, str], str] = {}
    for known in near:
        if int(np.prod(known.shape)) < 2:
            continue
        values = as_array(known.tensor)
        with np.errstate(all="ignore"):
            found = {name: of(values) for name, of in _STATISTICS.items()}
        of_own, of_reference = (
            [name for name, value in found.items() if abs(value - float(side.flat[0])) <= _slack(scene, side)]
            for side in (scene.own, scene.reference)
        )
        for own in of_own:
            for reference in of_reference:
                if own not in of_reference:
                    readings.setdefault((own, reference), known.name)
    return readings


def _slack(scene: Scene, side: Array) -> float:
    return 2 * max(scene.epsilon, 1e-7) * abs(float(side.flat[0]))


def _digits(scene: Scene) -> float:
    """Give in bits how much closer than the reference the candidate's reading is."""
    return float(np.log2(max(1.0, abs(float(scene.error.flat[0])) / max(_slack(scene, scene.own) / 2, 1e-300))))
