"""The comparison of two sketches as JSON values."""

from typing import Any

from parity.metrics import codec
from parity.sketch.compare import SketchedTap, SketchResult
from parity.sketch.judging import Standing

SCHEMA = "ltx-parity/sketch-comparison/1"


def to_document(result: SketchResult) -> dict[str, Any]:
    """Give everything that was found; NaN and the infinities become text."""
    return {
        "schema": SCHEMA,
        "exit_code": int(result.exit_code),
        "suite": result.suite,
        "case": result.case,
        "dtype": result.dtype,
        "standings": {kind.value: len(result.standing(kind)) for kind in Standing},
        "provenance": dict(result.provenance),
        "incomplete": list(result.incomplete),
        "taps": [_tap(tap) for tap in result.taps],
    }


def _tap(tap: SketchedTap) -> dict[str, Any]:
    return {
        "tap": tap.tap,
        "group": tap.group,
        "dtype": tap.dtype,
        "shape": list(tap.shape),
        "standing": tap.judged.standing.value,
        "bounds": {gate: codec.encode(bound) for gate, bound in tap.judged.bounds.items()},
        "reasons": list(tap.judged.reasons),
        "difference": codec.encode(tap.difference),
    }
