"""The reference's pass, run only as far as the candidate has come."""

import threading
from collections.abc import Callable
from types import TracebackType

from torch import Tensor

from parity.capture import Visitor
from parity.errors import IncompleteError

MOST_PENDING_BYTES = 8 * 2**30
"""What the reference may show ahead of the candidate before the two are said to go different ways."""


class Exchange:
    """Runs the reference in a thread of its own; only one of the two implementations ever moves.

    The reference stands still inside the tap that the candidate waits for, so that tap's tensor is compared as it is,
    without a copy. What it shows before is copied, because the reference may change it when it goes on, and kept until
    the candidate comes to it: at most `most_bytes`. A context manager: the reference is stopped when it ends.
    """

    def __init__(self, run: Callable[[Visitor], None], most_bytes: int = MOST_PENDING_BYTES):
        self._most_bytes = most_bytes
        self._pending: dict[str, Tensor] = {}
        self._bytes = 0
        self._wanted: str | None = None
        self._handed: Tensor | None = None
        self._stopped = self._ended = False
        self._error: BaseException | None = None
        self._candidate, self._reference = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(run,), name="reference", daemon=True)

    def __enter__(self) -> "Exchange":
        """Make the thread ready; the reference begins when the first tap is asked for."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the reference wherever it is, and wait for it."""
        self.stop()

    def take(self, name: str) -> Tensor:
        """Let the reference go on until it shows a tap, and give its tensor.

        It is the reference's own: it may be read until the next call, and never be changed. IncompleteError where the
        reference ends without it, fails, or gets too far ahead.
        """
        if name in self._pending:
            found = self._pending.pop(name)
            self._bytes -= found.nbytes
            return found
        self._wanted = name
        self._let_go_on()
        if self._handed is None:
            raise IncompleteError(
                name, "the reference ended without it", "every tap of the candidate", "correct the catalogue"
            )
        found, self._handed = self._handed, None
        return found

    def finish(self) -> None:
        """Let the reference come to its end; it raises what the reference fails with on the way."""
        self._wanted = None
        self._let_go_on()

    def stop(self) -> None:
        """End the reference; nothing of it runs afterwards."""
        self._stopped = True
        while self._thread.is_alive():
            self._reference.release()
            self._thread.join(timeout=1.0)
        self._pending.clear()
        self._handed = None

    def visit(self, name: str, tensor: Tensor) -> None:
        """Be shown a tap by the reference, in its thread."""
        if name == self._wanted:
            self._handed = tensor
            self._hand_over()
            return
        self._keep(name, tensor)

    def _keep(self, name: str, tensor: Tensor) -> None:
        self._bytes += tensor.nbytes
        if name in self._pending or self._bytes > self._most_bytes:
            raise IncompleteError(
                name,
                f"shown again, or {self._bytes:,} bytes ahead of {self._wanted}",
                f"taps in about the candidate's order, at most {self._most_bytes:,} bytes ahead",
                "compare without lockstep at a smaller size, and correct the order or the catalogue",
            )
        self._pending[name] = tensor.detach().clone()

    def _let_go_on(self) -> None:
        if not self._ended:
            self._reference.release()
            self._candidate.acquire()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _hand_over(self) -> None:
        self._candidate.release()
        self._reference.acquire()
        if self._stopped:
            raise _Stopped

    def _run(self, run: Callable[[Visitor], None]) -> None:
        self._reference.acquire()
        try:
            if not self._stopped:
                run(self)
        except _Stopped:
            pass
        # Whatever it is, it is raised again where the candidate waits.
        except BaseException as error:
            self._error = error
        finally:
            self._ended = True
            self._candidate.release()


class _Stopped(BaseException):
    """Unwinds the reference; no implementation catches it for an error of its own."""
