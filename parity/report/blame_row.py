"""A blame as it stands in the JSON of a run, and back."""

from typing import Any

from parity.blame import Blame, HintKind
from parity.report.strict import Fields, mapping, refusal, shown, text

_KEYS = ("tap", "part", "pattern", "hint", "kind", "evidence", "mode", "places")


def encode_blame(blame: Blame) -> dict[str, Any]:
    """Give the JSON value of a blame."""
    return {
        "tap": blame.tap,
        "part": blame.part,
        "pattern": blame.pattern,
        "hint": blame.hint,
        "kind": None if blame.kind is None else blame.kind.value,
        "evidence": blame.evidence,
        "mode": blame.mode,
        "places": dict(blame.places),
    }


def decode_blame(value: object, where: str) -> Blame | None:
    """Read what `encode_blame` gave, or null; BadInputError for anything else."""
    if value is None:
        return None
    parts = Fields.of_object(value, where, _KEYS)
    return Blame(
        tap=parts.read("tap", text),
        part=parts.read("part", _optional_text),
        pattern=parts.read("pattern", text),
        hint=parts.read("hint", _optional_text),
        evidence=parts.read("evidence", text),
        kind=parts.read("kind", _kind),
        mode=parts.read("mode", text),
        places=parts.read("places", lambda v, w: mapping(v, w, text)),
    )


def _optional_text(value: object, where: str) -> str | None:
    return None if value is None else text(value, where)


def _kind(value: object, where: str) -> HintKind | None:
    kinds = {kind.value: kind for kind in HintKind}
    if value is None:
        return None
    if not isinstance(value, str) or value not in kinds:
        raise refusal(where, shown(value), f"null or one of {', '.join(kinds)}")
    return kinds[value]
