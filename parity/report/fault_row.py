"""What became of one planted fault as it stands in JSON, and back."""

from typing import Any

from parity.blame import FaultOutcome, expectations
from parity.report.blame_row import decode_blame, encode_blame
from parity.report.strict import Fields, each, flag, number, refusal, text

_KEYS = (
    "id", "stage", "wrong", "expected", "detected", "classed", "named", "hinted", "misled", "blame", "incomplete",
    "seconds",
)  # fmt: skip


def encode_outcome(outcome: FaultOutcome) -> dict[str, Any]:
    """Give the JSON value of an outcome."""
    return {
        "id": outcome.id,
        "stage": outcome.stage,
        "wrong": outcome.wrong,
        "expected": {"tap": outcome.expected_tap, "hints": [str(hint) for hint in outcome.expected_hints]},
        "detected": outcome.detected,
        "classed": outcome.classed,
        "named": outcome.named,
        "hinted": outcome.hinted,
        "misled": outcome.misled,
        "blame": None if outcome.blame is None else encode_blame(outcome.blame),
        "incomplete": list(outcome.incomplete),
        "seconds": round(outcome.seconds, 3),
    }


def decode_outcome(value: object, where: str) -> FaultOutcome:
    """Read what `encode_outcome` gave; BadInputError for anything else, or where what follows from it is not so."""
    parts = Fields.of_object(value, where, _KEYS)
    expected = parts.read("expected", lambda v, w: Fields.of_object(v, w, ("tap", "hints")))
    outcome = FaultOutcome(
        id=parts.read("id", text),
        stage=parts.read("stage", text),
        wrong=parts.read("wrong", text),
        expected_tap=expected.read("tap", text),
        expected_hints=tuple(
            hint for told in expected.read("hints", lambda v, w: each(v, w, text)) for hint in _hints(told, where)
        ),
        detected=parts.read("detected", flag),
        blame=parts.read("blame", decode_blame),
        seconds=parts.read("seconds", number),
        incomplete=parts.read("incomplete", lambda v, w: each(v, w, text)),
        classed=parts.read("classed", lambda v, w: None if v is None else text(v, w)),
    )
    for name in ("named", "hinted", "misled"):
        if parts.read(name, flag) is not getattr(outcome, name):
            raise refusal(f"{where}.{name}", f"{not getattr(outcome, name)}", "what the blame and the fault say")
    return outcome


def _hints(told: str, where: str) -> Any:
    try:
        return expectations(told)
    except ValueError:
        raise refusal(f"{where}.expected", f"{told!r:.60}", "a declared hint") from None
