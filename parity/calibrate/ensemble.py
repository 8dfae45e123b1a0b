"""One member of an ensemble: the reference computed in another legitimate way, and how far its taps come out."""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from parity.calibrate.reading import AGAINST, BIN, COLUMNS, LEVELS, columns, relative
from parity.capture import Recording
from parity.metrics import CompareOptions, compare
from parity.run.forward import Forward, Implementation, Mode, observe
from parity.run.judging import same_bits
from parity.run.oracle import DriftOracle

Table = npt.NDArray[np.float64]
"""Readings: modes (all of Mode) x taps x AGAINST x COLUMNS."""
Observe = Callable[[Implementation, Sequence[Forward], Mode, Sequence[Recording]], list[Recording]]


def one_by_one(
    implementation: Implementation, passes: Sequence[Forward], mode: Mode, values: Sequence[Recording]
) -> list[Recording]:
    """Run the passes of a case one after the other."""
    return [observe(implementation, one, mode, forced) for one, forced in zip(passes, values, strict=True)]


@dataclass(frozen=True)
class Member:
    """A legitimate way to compute a case.

    `context` is what holds while it computes, `moved` changes its inputs, `observe` runs its passes.
    """

    name: str
    context: Callable[[], AbstractContextManager[Any]] = nullcontext
    moved: Callable[[Any], Any] | None = None
    observe: Observe = one_by_one

    def of(self, implementation: Implementation) -> Implementation:
        """Give an implementation that computes in this way."""

        def call(root: nn.Module, inputs: Any) -> None:
            with self.context():
                implementation.call(root, inputs if self.moved is None else self.moved(inputs))

        return replace(implementation, call=call)


class Yardstick:
    """The reference of one case: its own values, and its values in a wider precision, to hold others against.

    The reference and its passes come in the working precision, and in the wider one. Taps that match
    `set_by_precision` are constants of the precision: there the reference is its own truth.
    """

    def __init__(
        self,
        reference: tuple[Implementation, Sequence[Forward]],
        truth: tuple[Implementation, Sequence[Forward]],
        set_by_precision: Sequence[str] = (),
    ):
        self._reference, self.passes = reference
        pairs = zip(self.passes, truth[1], strict=True)
        self._oracles = [DriftOracle((self._reference, one), (truth[0], wide)) for one, wide in pairs]
        self._plain: dict[tuple[Mode, str], tuple[float, ...]] = {}
        self.names = tuple(name for one in self.passes for name in one.plan.names)
        self._own_truth = {name for name in self.names if any(fnmatchcase(name, p) for p in set_by_precision)}

    @property
    def values(self) -> list[Recording]:
        """The reference's taps of each pass."""
        return [oracle.values for oracle in self._oracles]

    def tensor(self, name: str) -> Tensor:
        """Give the reference's value of a tap."""
        return next(oracle.values[name] for oracle in self._oracles if name in oracle.values)

    def measure(self, member: Member, implementation: Implementation | None = None) -> Table:
        """Run a member in every mode (of another implementation than the reference, if one is given)."""
        candidate = member.of(implementation or self._reference)
        table = np.zeros((len(Mode), len(self.names), len(AGAINST), len(COLUMNS)))
        identical = False
        for number, mode in enumerate(Mode):
            # What has the reference's bits throughout would be fed those bits, and give them again.
            if not identical:
                seen = member.observe(candidate, self.passes, mode, self.values)
            table[number], identical = self._read(seen, mode)
        return table

    def _read(self, seen: Sequence[Recording], mode: Mode) -> tuple[Table, bool]:
        rows, same = [], []
        for recording, oracle, one in zip(seen, self._oracles, self.passes, strict=True):
            truth = oracle.truth(mode)
            for name in one.plan.names:
                own, reference = recording[name], oracle.values[name]
                exact = reference if name in self._own_truth else truth[name]
                same.append(same_bits(own, reference))
                if same[-1]:
                    rows.append((self._plain_columns(mode, name, reference, exact), (0.0,) * len(COLUMNS)))
                else:
                    rows.append((_columns(own, exact, name), _columns(own, reference, name)))
        return np.array(rows), all(same)

    def _plain_columns(self, mode: Mode, name: str, reference: Tensor, truth: Tensor) -> tuple[float, ...]:
        if (mode, name) not in self._plain:
            self._plain[mode, name] = _columns(reference, truth, name)
        return self._plain[mode, name]


def _columns(own: Tensor, other: Tensor, name: str) -> tuple[float, ...]:
    return columns(compare(own, other, CompareOptions(name=name, worst_count=0)))


def floors(value: Tensor) -> tuple[float, ...]:
    """Give for each of COLUMNS what one rounding of each element may make.

    A rounding is at most half an epsilon of its element, and uniform within that: over many elements the root mean
    square is 1/sqrt(3) of the most; the fewer there are, the nearer to the most it may come (four standard
    deviations of the mean square). Two right results may lie a whole unit in the last place apart: an epsilon of the
    largest element, and of those that a share of the elements does not exceed. Whole numbers are not rounded: 0.
    """
    if not value.is_floating_point() or value.numel() == 0:
        return (0.0,) * len(COLUMNS)
    epsilon, count = torch.finfo(value.dtype).eps, value.numel()
    mean_square = min(1.0, 1 / 3 + 4 * math.sqrt(4 / 45 / count))
    sizes = value.detach().to(torch.float64).abs().flatten().sort().values
    scale = float(sizes.square().mean().sqrt())
    ranks = [*(math.ceil(level * count) - 1 for level in LEVELS), count - 1]
    *shares, peak = [epsilon * relative(float(sizes[rank]), scale) for rank in ranks]
    return (0.5 * epsilon * math.sqrt(mean_square), peak, *(BIN * share for share in shares))
