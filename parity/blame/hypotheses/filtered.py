"""Values that are the reference filtered along an axis, or delayed by a part of a sample."""

from collections.abc import Iterator

import numpy as np

from parity.blame.evidence import Proposal
from parity.blame.record import HintKind
from parity.blame.scene import Array, Flags, Scene, generator

# Taps on each side of a fitted filter, lines that it is fitted to, and samples in them.
_REACH, _MOST_ROWS = 8, 2048
_LEAST_LENGTH = 8
# A filter that passes what the reference has, changed by at most this share of its power, is a delay.
_DELAY = 0.01


class Filtered:
    """The candidate is a short filter of the reference along one axis, fitted to half of the lines."""

    def propose(self, scene: Scene) -> Iterator[Proposal]:
        """Propose a filter along each axis that is long enough."""
        if scene.partial:
            return
        for axis, length in enumerate(scene.own.shape):
            if length < _LEAST_LENGTH:
                continue
            reach = min(_REACH, (length - 3) // 4)
            own, reference = (np.moveaxis(side, axis, -1).reshape(-1, length) for side in (scene.own, scene.reference))
            windows = np.lib.stride_tricks.sliding_window_view(reference, 2 * reach + 1, axis=1)
            wanted = own[:, reach : length - reach]
            fit = _every_other(wanted.shape)
            taps = _taps(windows, wanted, fit)
            if taps is None:
                continue
            predicted = np.full_like(own, np.nan)
            predicted[:, reach : length - reach] = windows @ taps
            held = np.zeros(own.shape, dtype=np.bool_)
            held[:, reach : length - reach] = ~fit
            kind, words = _told(reference, taps, axis)
            shape = np.moveaxis(scene.own, axis, -1).shape
            back = np.moveaxis(predicted.reshape(shape), -1, axis)
            there = np.moveaxis(held.reshape(shape), -1, axis)
            yield Proposal(kind, words, back, there, tries=scene.own.ndim)


def _every_other(shape: tuple[int, ...]) -> Flags:
    """Deal samples out in a pattern that has no period along the line."""
    return np.asarray(generator().random(shape) < 0.5)


def _taps(windows: Array, wanted: Array, fit: Flags) -> Array | None:
    rows, values = windows[fit], wanted[fit]
    if len(rows) < 2 * rows.shape[1]:
        return None
    step = max(1, len(rows) // _MOST_ROWS)
    rows, values = rows[::step], values[::step]
    if not np.any(rows) or not np.isfinite(rows).all():
        return None
    # A signal without high frequencies does not say what a filter does to them: nothing, then.
    return np.asarray(np.linalg.pinv(rows.T @ rows, rcond=1e-12, hermitian=True) @ (rows.T @ values))


def _told(reference: Array, taps: Array, axis: int) -> tuple[HintKind, str]:
    reach = len(taps) // 2
    length = reference.shape[1]
    window = np.hanning(length + 2)[1:-1]
    power = np.sum(np.abs(np.fft.rfft(reference * window, axis=1)) ** 2, axis=0)
    power[0] = max(power[0], 0.0)
    frequency = 2 * np.pi * np.fft.rfftfreq(length)
    offsets = np.arange(-reach, reach + 1)
    response = np.exp(1j * frequency[:, None] * offsets) @ taps
    delays = np.arange(-reach, reach + 1e-9, 0.01)
    left = np.abs(response[None] - np.exp(-1j * delays[:, None] * frequency)) ** 2 @ power / power.sum()
    best = int(np.argmin(left))
    if left[best] <= _DELAY:
        delay = float(delays[best])
        moved = "delayed" if delay > 0 else "advanced"
        return HintKind.SHIFT, f"equals the reference {moved} by {abs(delay):.4g} samples along axis {axis}"
    shown = ", ".join(f"{tap:.3g}" for tap in taps)
    return HintKind.FILTER, f"equals the reference filtered along axis {axis} by [{shown}]"
