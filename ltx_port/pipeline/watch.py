"""Who is told of the phases of a run: nobody, or a meter and a screen."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable


@runtime_checkable
class Phase(Protocol):
    """One phase that is running."""

    def loading(self) -> AbstractContextManager[object]:
        """Enter what reads weights."""
        ...

    def executing(self) -> AbstractContextManager[object]:
        """Enter what computes."""
        ...

    def advance(self, done: int, total: int) -> None:
        """Say how many steps of the phase are done."""
        ...


@runtime_checkable
class Watch(Protocol):
    """Told of each phase; a phase may come again, as frames are decoded and written in turn."""

    def phase(self, name: str) -> AbstractContextManager[Phase]:
        """Enter a phase."""
        ...


class _Unwatched:
    @contextmanager
    def _nothing(self) -> Iterator[None]:
        yield

    loading = executing = _nothing

    def advance(self, done: int, total: int) -> None:
        pass


class Unwatched:
    """Tells nobody."""

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Enter a phase."""
        yield _Unwatched()
