"""Which taps are kept, and how much of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import Tensor

from parity.errors import BadInputError


@dataclass(frozen=True)
class Selection:
    """Taps by pattern (`*` and `?`), with a limit on the tokens kept of each.

    `max_tokens` keeps the first tokens (axis 1) of tensors with three or more axes; None keeps all.
    """

    patterns: tuple[str, ...] = ("*",)
    max_tokens: int | None = None

    def names(self, declared: Iterable[str]) -> tuple[str, ...]:
        """Give the declared names that a pattern matches, in order; no match at all is an error."""
        declared = tuple(declared)
        chosen = tuple(name for name in declared if any(fnmatchcase(name, p) for p in self.patterns))
        if not chosen:
            raise BadInputError(
                f"tap pattern {' '.join(self.patterns)!r}",
                f"matches none of {len(declared)} taps",
                "at least one",
                "list them with `ltx-parity show --taps`",
            )
        return chosen

    def cut(self, tensor: Tensor) -> Tensor:
        """Give what is kept of a tensor."""
        if self.max_tokens is None or tensor.ndim < 3 or tensor.shape[1] <= self.max_tokens:
            return tensor
        return tensor[:, : self.max_tokens]
