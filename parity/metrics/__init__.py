"""One-pass, bounded-memory comparison of two tensors."""

from parity.metrics.engines import engine_name
from parity.metrics.equal import compare_equal, equal_by_norm
from parity.metrics.error_map import ErrorMap, Grid, HeadAxis, HeadShares, error_map, grid
from parity.metrics.fingerprint import Fingerprint
from parity.metrics.fingerprints import Fingerprints, fingerprints
from parity.metrics.histograms import ERROR_BINS, ULP_BINS
from parity.metrics.onepass import compare
from parity.metrics.options import CLOSE_TOLERANCES, CompareOptions
from parity.metrics.record import (
    AxisConcentration,
    NonFinite,
    NonFiniteCounts,
    TensorComparison,
    WorstElement,
)
from parity.metrics.sources import LiveTensor, TensorSource

__all__ = [
    "CLOSE_TOLERANCES",
    "ERROR_BINS",
    "ULP_BINS",
    "AxisConcentration",
    "CompareOptions",
    "ErrorMap",
    "Fingerprint",
    "Fingerprints",
    "Grid",
    "HeadAxis",
    "HeadShares",
    "LiveTensor",
    "NonFinite",
    "NonFiniteCounts",
    "TensorComparison",
    "TensorSource",
    "WorstElement",
    "compare",
    "compare_equal",
    "engine_name",
    "equal_by_norm",
    "error_map",
    "fingerprints",
    "grid",
]
