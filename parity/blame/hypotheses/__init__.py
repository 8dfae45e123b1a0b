"""The statements that are tried on a wrong value, the simplest first."""

from collections.abc import Iterator
from typing import Protocol

from parity.blame.evidence import Proposal
from parity.blame.hypotheses.absence import Masked, Silence, Unsilenced
from parity.blame.hypotheses.along_axis import PerIndex
from parity.blame.hypotheses.edges import Edges
from parity.blame.hypotheses.exchanged import Exchanged
from parity.blame.hypotheses.filtered import Filtered
from parity.blame.hypotheses.formula import Pair, Product, Term, WeightedSum
from parity.blame.hypotheses.function import Elementwise, Unclamped
from parity.blame.hypotheses.known import Equal, EqualPart
from parity.blame.hypotheses.layout import Layout, Strided
from parity.blame.hypotheses.mixture import Mixture
from parity.blame.hypotheses.movement import Permutation, Repeated, Reversal, Shift
from parity.blame.hypotheses.rotation import Rotation
from parity.blame.hypotheses.rounding import Neighbours, RoundedOnce, RoundedOtherwise, RoundedWhole
from parity.blame.hypotheses.scaling import Affine, Complement, Factor, Offset, Sign, Update
from parity.blame.hypotheses.statistic import Statistic
from parity.blame.scene import Scene


class Hypothesis(Protocol):
    """One kind of statement."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Give what it would say of a scene, best first, with parameters fitted to the scene's fitted elements."""
        ...


HYPOTHESES: tuple[Hypothesis, ...] = (
    Silence(),
    Sign(),
    Factor(),
    RoundedWhole(),
    Offset(),
    Complement(),
    RoundedOnce(),
    Unclamped(),
    Equal(),
    Repeated(),
    Reversal(),
    Shift(least=0.5),
    Layout(),
    Strided(),
    Permutation(),
    Shift(least=0.2),
    EqualPart(),
    Masked(),
    Unsilenced(),
    Neighbours(),
    RoundedOtherwise(),
    Affine(),
    Statistic(),
    Term(),
    Product(),
    Pair(),
    WeightedSum(),
    Mixture(),
    Update(),
    Exchanged(),
    Rotation(),
    PerIndex(),
    Elementwise(),
    Filtered(),
    Edges(),
)
