"""One comparison as JSON values."""

from typing import Any

from parity.judge import TapResult
from parity.metrics import codec
from parity.run.record import RunResult


def to_document(result: RunResult) -> dict[str, Any]:
    """Give exit code, reasons for what was not compared, and every tap; non-finite numbers become texts."""
    return {
        "exit_code": int(result.exit_code),
        "incomplete": result.incomplete,
        "taps": [_tap(tap) for tap in result.taps],
    }


def _tap(tap: TapResult) -> dict[str, Any]:
    return {
        "tap": tap.place.tap,
        "mode": tap.place.mode,
        "rule": tap.rule.value,
        "verdict": tap.verdict.value,
        "bounds": {gate: codec.encode(bound) for gate, bound in tap.bounds.items()},
        "exceeded": {gate: codec.encode(figures) for gate, figures in tap.exceeded.items()},
        "comparison": tap.measurement.comparison.to_json(),
    }
