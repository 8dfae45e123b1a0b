"""What one comparison found."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

from parity.errors import BadInputError
from parity.metrics import codec


class _Travelling:
    """A record that goes to another process as its values: a frozen dataclass with slots would look its fields up anew
    for each one.
    """

    __slots__: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        kind: Any = type(self)
        return kind, _values_of(kind)(self)


@cache
def _values_of(kind: Any) -> Callable[[_Travelling], tuple[Any, ...]]:
    # Of two names and more: of one it would give the value alone.
    return attrgetter(*kind.__slots__)


@dataclass(frozen=True, slots=True)
class WorstElement(_Travelling):
    """One element and its error: coordinates, both values as float64, |candidate - reference|."""

    coordinates: tuple[int, ...]
    candidate: float
    reference: float
    abs_error: float


@dataclass(frozen=True, slots=True)
class AxisConcentration(_Travelling):
    """Where along one axis the squared error gathers.

    `index` holds the largest share of the squared error of the tensor; `evenness` is that share times the
    size of the axis, so 1.0 where the error is spread evenly and the axis size where all is at `index`.
    """

    axis: int
    index: int
    share: float
    evenness: float


@dataclass(frozen=True, slots=True)
class NonFiniteCounts(_Travelling):
    """How many elements of one side are not finite, by kind."""

    nan: int
    positive_inf: int
    negative_inf: int

    @property
    def total(self) -> int:
        """How many elements are not finite."""
        return self.nan + self.positive_inf + self.negative_inf


@dataclass(frozen=True, slots=True)
class NonFinite(_Travelling):
    """Non-finite elements of both sides."""

    candidate: NonFiniteCounts
    reference: NonFiniteCounts


@dataclass(frozen=True, slots=True)
class TensorComparison(_Travelling):
    """How a candidate tensor differs from a reference of the same shape.

    Every figure is taken in float64 over the elements finite on both sides (`finite_elements` of them), in
    the units of the tensor unless said otherwise; where there are none, the averages, ratios, quantiles and
    `max_abs` are NaN, which no budget admits. Figures that a float64 cannot hold are infinite.

    identical: one dtype, at least one element, no NaN, and the same bits throughout.
    relative_l2: ||candidate - reference|| / ||reference||; 0/0 is 0, x/0 is +inf. norm_ratio: likewise of
      the two norms, 0/0 being 1. bias: mean of candidate - reference. cosine: 1 between two zero tensors.
    close_fraction: share of all elements that are close (see `CompareOptions`); infinities are close only to
      their equals, NaN to nothing, and an empty tensor has 0.
    quantiles: level -> an error that at least this share of the elements does not exceed, from the histogram.
    error_histogram: inclusive upper edge -> count of |candidate - reference|, occupied bins only, ascending;
      0.0 counts exact agreement, "inf" all above 2**20 (bins: `ERROR_BINS`).
    ulp_histogram: the same for distances in representable steps of the candidate's dtype (0, 1, 2, 3-4,
      5-8, ...; 2**64 counts all above 2**52); max_ulp is exact, and -1 where nothing finite was compared.
    worst: elements of largest nonzero error, largest first. concentration: one entry for each axis of more
      than one index (and at most 2**20), none where there is no error.
    nonfinite_mismatch: positions where the kinds (finite, NaN, +inf, -inf) differ. nonfinite_first: the first
      position that is not finite on either side.
    """

    elements: int
    finite_elements: int
    shape: tuple[int, ...]
    candidate_dtype: str
    reference_dtype: str
    identical: bool
    relative_l2: float
    norm_candidate: float
    norm_reference: float
    norm_ratio: float
    max_abs: float
    mean_abs: float
    bias: float
    cosine: float
    close_fraction: float
    quantiles: Mapping[float, float]
    error_histogram: Mapping[float, int]
    ulp_histogram: Mapping[int, int]
    max_ulp: int
    worst: tuple[WorstElement, ...]
    concentration: tuple[AxisConcentration, ...]
    nonfinite: NonFinite
    nonfinite_mismatch: int
    nonfinite_first: tuple[int, ...] | None

    @property
    def has_nonfinite(self) -> bool:
        """Whether either side holds a NaN or an infinity."""
        return self.nonfinite.candidate.total + self.nonfinite.reference.total > 0

    def to_json(self) -> dict[str, Any]:
        """This record as JSON values; NaN and the infinities become "nan", "inf" and "-inf"."""
        encoded: dict[str, Any] = codec.encode(self)
        return encoded

    @classmethod
    def from_json(cls, value: object) -> "TensorComparison":
        """The record that `to_json` wrote; raises `BadInputError` for anything else."""
        found = codec.decode(cls, value, "tensor comparison")
        _require_consistent(found)
        return found


def _require_consistent(found: TensorComparison) -> None:
    """Refuse a record whose figures contradict each other: edited by hand, or put together from two."""
    agree = {
        "elements": found.elements == math.prod(found.shape),
        "finite_elements": 0 <= found.finite_elements <= found.elements,
        "error_histogram": sum(found.error_histogram.values()) == found.finite_elements,
        "ulp_histogram": sum(found.ulp_histogram.values()) == found.finite_elements,
        "close_fraction": 0 <= found.close_fraction <= 1,
        "identical": not found.identical or (found.elements > 0 and not found.worst and found.max_ulp <= 0),
        "max_abs": (found.max_abs > 0) == any(edge > 0 for edge in found.error_histogram),
    }
    wrong = [name for name, agrees in agree.items() if not agrees]
    if wrong:
        got = f"{', '.join(wrong)} contradicting the rest"
        raise BadInputError("tensor comparison", got, "figures of one comparison", "compare again")
