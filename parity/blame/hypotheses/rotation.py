"""Pairs of channels rotated otherwise: paired in another way, or by other angles."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from parity.blame.evidence import Proposal
from parity.blame.record import HintKind
from parity.blame.scene import Array, Scene

_NEAREST = 12
# Pairs smaller than this share of the mean one have no angle; how near angles are that are equal (in radians); how many
# have to differ; and by how many indices they may be shifted.
_LEAST_PAIR, _NEAR_ANGLE, _LEAST_DIFFERING, _FARTHEST = 0.25, 0.1, 12, 32
# Shares of pairs whose norms are kept: by a rotation of those pairs, and at most by one of others.
_KEPT, _MOST_BY_CHANCE = 0.98, 0.9


class Rotation:
    """Both sides are rotations of one known value, by pairs of channels of its last axis."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose another pairing, or what the angles are of the reference's."""
        if scene.partial or scene.own.shape[-1:] != scene.shape[-1:] or not scene.counted.all():
            return
        channels = scene.shape[-1] if scene.shape else 0
        if channels < 4 or channels % 2:
            return
        for known, part in scene.near(_NEAREST):
            of_own, of_reference = (_pairing(side, part, scene.epsilon) for side in (scene.own, scene.reference))
            if of_own is None or of_reference is None:
                continue
            if of_own != of_reference:
                # A value that is all but its source keeps the norms of any pairs.
                crossed = ((scene.own, of_reference), (scene.reference, of_own))
                if any(_kept(side, part, half, scene.epsilon) > _MOST_BY_CHANCE for side, half in crossed):
                    return
                words = (
                    f"is {known.name} rotated in {_named(of_own, channels)}, where the reference pairs "
                    f"{_named(of_reference, channels)}"
                )
                bits = float(scene.own.size)
                yield Proposal(HintKind.LAYOUT, words, scene.own, bits=bits, fact=True)
            else:
                yield from self._angles(scene, part, of_own)
            return

    def _angles(self, scene: Scene, source: Array, half: int) -> Iterator[Proposal]:
        """Propose what the candidate's angles are of the reference's."""
        base = _complex(source, half)
        # The angle of a small pair is lost in rounding.
        large = np.abs(base) > _LEAST_PAIR * np.sqrt(np.mean(np.abs(base) ** 2))
        with np.errstate(all="ignore"):
            own, reference = (
                np.where(large, _complex(side, half) / base, np.nan) for side in (scene.own, scene.reference)
            )
        for kind, words, moved in _turns(reference):
            known = np.isfinite(moved) & large
            differing = known & (np.abs(own - reference) > _NEAR_ANGLE)
            if differing.sum() < _LEAST_DIFFERING or np.mean(np.abs(own - moved)[known] <= _NEAR_ANGLE) < 0.95:
                continue
            told = f"is rotated by the reference's angles {words}"
            yield Proposal(kind, told, scene.own, bits=3.0 * float(differing.sum()), fact=True)
            return


def _turns(reference: NDArray[np.complex128]) -> Iterator[tuple[HintKind, str, NDArray[np.complex128]]]:
    """Give what may have become of the angles: their sign, their order along an axis, a shift along it."""
    yield HintKind.SIGN, "with the opposite sign", np.conj(reference)
    axes = [axis for axis in range(reference.ndim - 1) if reference.shape[axis] > 1]
    for axis in axes:
        yield HintKind.REVERSAL, f"reversed along axis {axis}", np.flip(reference, axis)
    for axis in axes:
        length = reference.shape[axis]
        for distance in range(1, min(length // 2, _FARTHEST) + 1):
            for signed in (distance, -distance):
                moved = np.roll(reference, signed, axis)
                new = slice(0, signed) if signed > 0 else slice(signed, None)
                moved[(slice(None),) * axis + (new,)] = np.nan
                word = "delayed" if signed > 0 else "advanced"
                yield HintKind.SHIFT, f"{word} by {distance} along axis {axis}", moved


def _pairing(value: Array, source: Array, epsilon: float) -> int | None:
    """Give half the length of the blocks whose halves are paired (1: neighbours), None where no rotation fits."""
    channels = value.shape[-1]
    halves = [half for half in range(1, channels // 2 + 1) if channels % (2 * half) == 0]
    return next((half for half in halves if _kept(value, source, half, epsilon) > _KEPT), None)


def _kept(value: Array, source: Array, half: int, epsilon: float) -> float:
    """Give the share of pairs whose norm is the source's."""
    own, wanted = (np.abs(_complex(side, half)) for side in (value, source))
    return float(np.mean(np.abs(own - wanted) <= 2 * epsilon * wanted + 1e-12))


def _complex(values: Array, half: int) -> NDArray[np.complex128]:
    parts = values.reshape(*values.shape[:-1], -1, 2, half)
    return parts[..., 0, :] + 1j * parts[..., 1, :]


def _named(half: int, channels: int) -> str:
    if half == 1:
        return "neighbouring channels (interleaved pairs)"
    return f"channels {half} apart (halves of every {2 * half}{' channels' if 2 * half < channels else ''})"
