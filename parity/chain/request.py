"""What a binding brings, so that a whole run can be forecast and followed."""

from dataclasses import dataclass
from typing import Protocol

from parity.chain.chain import Chain
from parity.chain.link import State


@dataclass(frozen=True)
class ChainRequest:
    """Which run: of so many denoise `steps` through so many `blocks` (None: the model's own), under a `release`.

    Without a release: the newest.
    """

    steps: int = 4
    blocks: int | None = None
    release: str | None = None
    device: str = "cpu"


class Chains(Protocol):
    """The same run in any numerics, from any seed."""

    truth: str
    """The numerics that the others are held against."""

    def chain(self, numerics: str) -> Chain:
        """Give the chain in these numerics; BadInputError for a name that is not known."""
        ...

    def start(self, seed: int) -> State:
        """Give what a run starts from; the same seed gives the same numbers anywhere."""
        ...
