"""What a caller may choose about one comparison, and what the candidate's dtype decides otherwise."""

import math
from dataclasses import dataclass
from types import MappingProxyType

import torch

from parity.errors import BadInputError

ENGINES = ("numba", "torch")
# Engines may count what they find in one piece in 32 bits.
MOST_CHUNK_ELEMENTS = 2**31

# (relative, absolute). For floats these are the defaults of `torch.testing.assert_close`, so that
# `close_fraction` reads the way PyTorch users expect; whole numbers and flags are close only when equal.
CLOSE_TOLERANCES = MappingProxyType(
    {
        torch.float64: (1e-7, 1e-7),
        torch.float32: (1.3e-6, 1e-5),
        torch.float16: (1e-3, 1e-5),
        torch.bfloat16: (1.6e-2, 1e-5),
        torch.int64: (0.0, 0.0),
        torch.int32: (0.0, 0.0),
        torch.int16: (0.0, 0.0),
        torch.int8: (0.0, 0.0),
        torch.uint8: (0.0, 0.0),
        torch.bool: (0.0, 0.0),
    }
)


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """How one pair of tensors is compared.

    `name` is the "where" of every refusal. `chunk_elements` bounds what is read from each side at a time
    and changes no result beyond the order of float64 sums. `worst_count` bounds the list of worst elements.
    An element is close when |candidate - reference| <= close_atol + close_rtol * |reference|; a tolerance
    left None comes from `CLOSE_TOLERANCES` by the candidate's dtype. `threads` measure at once, by default as many as
    torch uses; their number changes nothing. `engine` is "numba" or "torch", by default the quicker one (see
    `engines`). Raises `BadInputError` for a value outside its range.
    """

    name: str = "tensor comparison"
    chunk_elements: int = 2**20
    worst_count: int = 8
    close_rtol: float | None = None
    close_atol: float | None = None
    threads: int | None = None
    engine: str | None = None

    def __post_init__(self) -> None:
        self._require_at_least("chunk_elements", self.chunk_elements, 1)
        if self.chunk_elements > MOST_CHUNK_ELEMENTS:
            got = f"chunk_elements={self.chunk_elements}"
            raise BadInputError(self.name, got, f"at most {MOST_CHUNK_ELEMENTS}", "lower chunk_elements")
        self._require_at_least("worst_count", self.worst_count, 0)
        self._require_at_least("threads", 1 if self.threads is None else self.threads, 1)
        if self.engine not in (None, *ENGINES):
            raise BadInputError(self.name, f"engine={self.engine!r}", " or ".join(ENGINES), "correct engine")
        for field, value in (("close_rtol", self.close_rtol), ("close_atol", self.close_atol)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise BadInputError(self.name, f"{field}={value}", "a finite value >= 0", f"correct {field}")

    def _require_at_least(self, field: str, value: int, least: int) -> None:
        if value < least:
            raise BadInputError(self.name, f"{field}={value}", f"at least {least}", f"raise {field}")

    def tolerances(self, candidate_dtype: torch.dtype) -> tuple[float, float]:
        """Relative and absolute tolerance in force for a candidate of this dtype."""
        rtol, atol = CLOSE_TOLERANCES[candidate_dtype]
        return (
            rtol if self.close_rtol is None else self.close_rtol,
            atol if self.close_atol is None else self.close_atol,
        )
