"""The reference's pass, run only as far as the candidate has come."""

from collections.abc import Callable, Container
from types import TracebackType
from typing import NamedTuple

from greenlet import getcurrent, greenlet
from torch import Tensor

from parity.capture import Visitor, as_another_side
from parity.capture.version import version_of
from parity.errors import IncompleteError
from parity.lockstep.ambient import Ambient, put, taken

MOST_PENDING_BYTES = 24 * 2**30
"""What the reference may show ahead of the candidate before the two are said to go different ways."""


class Shown(NamedTuple):
    """What the reference has shown; where it has another version by now, the reference has changed it since."""

    tensor: Tensor
    version: int


class Everything:
    """Holds any name."""

    def __contains__(self, name: object) -> bool:
        """Say yes."""
        return True


class Exchange:
    """Runs the reference on a stack of its own in the same thread; only one of the two implementations ever moves.

    In the same thread, because libraries keep what they have compiled for each thread anew.

    The reference stands still inside the tap that the candidate waits for, so that tap's tensor is compared as it is,
    without a copy. What it shows before is kept until the candidate comes to it: at most `most_bytes`. The taps of
    `copied` are copied then, because the reference may change them when it goes on; of others who takes them has to ask
    whether it did. A context manager: the reference is stopped when it ends.
    """

    def __init__(
        self,
        run: Callable[[Visitor], None],
        copied: Container[str] = Everything(),
        most_bytes: int = MOST_PENDING_BYTES,
    ):
        self._copied, self._most_bytes = copied, most_bytes
        self._pending: dict[str, Shown] = {}
        self._bytes = 0
        self._wanted: str | None = None
        self._handed: Shown | None = None
        self._reference = greenlet(lambda: as_another_side(lambda: run(self)))
        self._candidate: greenlet | None = None
        self._begins: Ambient | None = None

    def __enter__(self) -> "Exchange":
        """Nothing runs yet: the reference begins when the first tap is asked for."""
        self._candidate = getcurrent()
        set_now = taken()
        put(set_now)
        self._begins = set_now._replace(function_modes=(), dispatch_modes=())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the reference wherever it is."""
        self.stop()

    def take(self, name: str) -> Shown:
        """Let the reference go on until it shows a tap, and give its tensor.

        It is the reference's own: it may be read until the next call, and never be changed. IncompleteError where the
        reference ends without it or gets too far ahead; what the reference fails with is raised here.
        """
        if name in self._pending:
            found = self._pending.pop(name)
            self._bytes -= found.tensor.nbytes
            return found
        self._wanted = name
        self._let(self._reference.switch)
        if self._handed is None:
            raise IncompleteError(
                name, "the reference ended without it", "every tap of the candidate", "correct the catalogue"
            )
        found, self._handed = self._handed, None
        return found

    def finish(self) -> None:
        """Let the reference come to its end; it raises what the reference fails with on the way."""
        self._wanted = None
        self._let(self._reference.switch)

    def stop(self) -> None:
        """End the reference: it is unwound from where it stands."""
        if self._reference:
            self._let(self._reference.throw)
        self._pending.clear()
        self._handed = None

    def visit(self, name: str, tensor: Tensor) -> None:
        """Be shown a tap by the reference."""
        if name != self._wanted:
            self._keep(name, tensor)
            return
        self._handed = Shown(tensor, version_of(tensor))
        assert self._candidate is not None, "not entered"
        self._let(self._candidate.switch)

    def _let(self, go_on: Callable[[], object]) -> None:
        """Let the other side go on, and be set as before when it comes back; it does the same."""
        own = taken()
        if self._begins is not None:
            # The reference begins with what was set when both did, whatever the candidate stands within by now.
            put(self._begins)
            self._begins = None
        try:
            go_on()
        finally:
            put(own)

    def _keep(self, name: str, tensor: Tensor) -> None:
        self._bytes += tensor.nbytes
        if name in self._pending or self._bytes > self._most_bytes:
            raise IncompleteError(
                name,
                f"shown again, or {self._bytes:,} bytes ahead of {self._wanted}",
                f"taps in about the candidate's order, at most {self._most_bytes:,} bytes ahead",
                "compare without lockstep at a smaller size, and correct the order or the catalogue",
            )
        kept = tensor.detach()
        # Whether an inference tensor was changed since, nobody could tell.
        kept = kept.clone() if name in self._copied or tensor.is_inference() else kept
        self._pending[name] = Shown(kept, version_of(kept))
