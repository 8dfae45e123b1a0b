"""How long work along a chain tells how far it is."""

from collections.abc import Callable

# Called with (what is running, steps done, steps in all).
Progress = Callable[[str, int, int], None]


def silent(_what: str, _done: int, _total: int) -> None:
    """Show no progress."""
