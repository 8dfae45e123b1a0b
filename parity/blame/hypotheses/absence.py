"""Values that are zero, or masked, on one side only."""

from collections.abc import Iterator

import numpy as np

from parity.blame.evidence import Proposal
from parity.blame.record import HintKind
from parity.blame.scene import Flags, Scene

_LEAST_ELEMENTS = 4


class Silence:
    """The candidate is zero wherever the two differ: something was left out, or masked."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose it where it is so."""
        differing = scene.differs & scene.counted
        if differing.sum() < _LEAST_ELEMENTS or np.any(scene.own[differing]):
            return
        words = "is zero where the reference is not"
        if not np.any(scene.own):
            words = "is zero throughout"
        yield Proposal(HintKind.ZERO, words, np.zeros_like(scene.own), differing, bits=_bits(differing))


class Unsilenced:
    """The reference is zero wherever the two differ: a mask or a gate is not applied."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose it where it is so, and where the candidate is not one constant there."""
        differing = scene.differs & scene.counted
        if differing.sum() < _LEAST_ELEMENTS or np.any(scene.reference[differing]):
            return
        if len(np.unique(scene.own[differing])) < _LEAST_ELEMENTS:
            return
        words = "has values where the reference is zero: a mask is not applied"
        zeros = np.zeros_like(scene.own)
        yield Proposal(HintKind.MASK, words, zeros, differing, of_reference=True, bits=_bits(differing))


class Masked:
    """The lowest number of the dtype, or minus infinity, stands on one side and not on the other."""

    def finds(self, scene: Scene) -> tuple[Flags, Flags]:
        """Mark what is masked in the candidate and not in the reference, and the other way round."""
        own, reference = (side <= scene.lowest / 2 for side in (scene.own, scene.reference))
        return own & ~reference, reference & ~own

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose it: next to such numbers, nothing else that differs counts."""
        if scene.lowest == -np.inf:
            return
        more, fewer = self.finds(scene)
        count = int(more.sum() + fewer.sum())
        if count == 0:
            return
        told = []
        if more.any():
            told.append(f"masks {int(more.sum()):,} elements that the reference does not mask")
        if fewer.any():
            told.append(f"does not mask {int(fewer.sum()):,} elements that the reference masks")
        yield Proposal(HintKind.MASK, " and ".join(told), scene.own, bits=16.0 * count, fact=True)


def _bits(differing: Flags) -> float:
    # That an element is exactly zero by chance is worth more than this.
    return 4.0 * float(differing.sum())
