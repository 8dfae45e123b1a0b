"""What a candidate is judged against in one forward pass."""

from functools import cached_property
from typing import Protocol

from parity.capture import Recording
from parity.errors import IncompleteError
from parity.run.forward import Forward, Implementation, Mode, observe
from parity.store import Dump


class Oracle(Protocol):
    """The reference of one pass.

    `values` are the reference's taps in the candidate's own precision: they are forced into the candidate, and
    identity is judged against them. `truth(mode)` is what errors are taken against, `has_peer` whether `values`
    have an error of their own against it.
    """

    has_peer: bool

    @property
    def values(self) -> Recording:
        """Taps in the candidate's precision."""
        ...

    def truth(self, mode: Mode) -> Recording:
        """Taps that errors are taken against."""
        ...


class LiveOracle:
    """The running reference in the candidate's precision: truth and values are one."""

    has_peer = False

    def __init__(self, reference: Implementation, forward: Forward):
        self._reference, self._forward = reference, forward

    @cached_property
    def values(self) -> Recording:
        """Taps of one run of the reference."""
        return observe(self._reference, self._forward)

    def truth(self, mode: Mode) -> Recording:
        """The same taps: a reference fed its own values gives its own values."""
        return self.values


class DriftOracle:
    """The running reference twice: in the candidate's precision (the peer), and in a wider one (the truth).

    In the forced modes the truth is fed the peer's values, widened: a local error is then the rounding of one
    step, for the peer as for the candidate.
    """

    has_peer = True

    def __init__(self, peer: tuple[Implementation, Forward], truth: tuple[Implementation, Forward]):
        self._peer, self._truth = peer, truth
        self._observed: dict[Mode, Recording] = {}

    @cached_property
    def values(self) -> Recording:
        """Taps of the reference in the candidate's precision."""
        return observe(*self._peer)

    def truth(self, mode: Mode) -> Recording:
        """Taps of the reference in the wider precision."""
        if mode not in self._observed:
            self._observed[mode] = observe(*self._truth, mode, self.values)
        return self._observed[mode]


class RecordedOracle:
    """Taps read from a dump, recorded once on some machine."""

    has_peer = False

    def __init__(self, dump: Dump, forward: Forward):
        self._dump, self._forward = dump, forward

    @cached_property
    def values(self) -> Recording:
        """The dump's tensors for this pass; IncompleteError where a declared tap is missing."""
        names = self._forward.plan.names
        missing = [name for name in names if name not in self._dump.names]
        if missing:
            raise IncompleteError(
                missing[0],
                f"not in the dump ({len(missing)} of {len(names)} taps of {self._forward.name})",
                "every declared tap",
                "record the dump again",
            )
        return {name: self._dump.read(name) for name in names}

    def truth(self, mode: Mode) -> Recording:
        """The same taps."""
        return self.values
