"""What a dump says of itself: who recorded it, from which weights and inputs, and how."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import NoReturn

from parity.errors import BadInputError
from parity.store.refusal import shown

SCHEMA_VERSION = 1

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class DroppedTap:
    """A tap that was reached but not stored (whole), and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """The provenance of one dump; every field is checked on construction.

    `input_sha256` holds the content hash of every model input. `created` is ISO 8601 in UTC. `tap_count` is
    the number of names stored: the writer sets it, and appends to `dropped` what its limits left out. Raises
    BadInputError naming the field that is not of its type.
    """

    producer: str
    release: str
    commit: str | None
    case: str
    checkpoint_sha256: str
    input_sha256: dict[str, str]
    torch_version: str
    device: str
    determinism: dict[str, str | bool | int]
    seed: int
    dtype: str
    command: str
    created: str
    sizes: dict[str, int]
    tap_count: int = 0
    dropped: tuple[DroppedTap, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        for name, (accepts, expected) in _RULES.items():
            value = getattr(self, name)
            if not accepts(value):
                _refuse(name, shown(value), expected)

    def to_json(self) -> dict[str, object]:
        """Return the manifest as plain JSON values."""
        return asdict(self) | {"dropped": [asdict(tap) for tap in self.dropped]}

    @staticmethod
    def from_json(value: object) -> "Manifest":
        """Read a manifest back; BadInputError names any key that is unknown, missing or of the wrong type."""
        if not isinstance(value, dict):
            _refuse("(root)", shown(value), "an object")
        version = value.get("schema_version", SCHEMA_VERSION)
        if not _RULES["schema_version"][0](version):
            _refuse("schema_version", shown(version), _RULES["schema_version"][1])
        _same_keys("", value, {entry.name for entry in fields(Manifest)})
        return Manifest(**(value | {"dropped": _dropped(value["dropped"])}))

    def identity_mismatches(self, other: "Manifest", across_releases: bool = False) -> list[str]:
        """List, as "field: a != b", what makes two dumps incomparable; empty when they may be compared.

        `across_releases` allows other releases, and with them other inputs: a release fixes the dtype of some.
        """
        fields_of_both = _OF_ANY_RELEASE if across_releases else _IDENTITY
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in fields_of_both]
        inputs = {} if across_releases else dict.fromkeys((*self.input_sha256, *other.input_sha256))
        pairs += [
            (f"input_sha256[{shown(name)}]", self.input_sha256.get(name), other.input_sha256.get(name))
            for name in inputs
        ]
        return [f"{name}: {_side(a)} != {_side(b)}" for name, a, b in pairs if a != b]


_OF_ANY_RELEASE = ("case", "checkpoint_sha256")
_IDENTITY = (*_OF_ANY_RELEASE, "release")


def _side(value: str | None) -> str:
    if value is None:
        return "(absent)"
    return value if value.isprintable() else shown(value)


def _refuse(name: str, got: str, expected: str) -> NoReturn:
    raise BadInputError(f"manifest field {name}", got, expected, "correct the manifest or record again")


def _same_keys(prefix: str, value: dict[str, object], wanted: set[str]) -> None:
    for key in value:
        if key not in wanted:
            _refuse(f"{prefix}{shown(key)}", "an unknown key", f"one of schema {SCHEMA_VERSION}'s keys")
    for key in sorted(wanted):
        if key not in value:
            _refuse(f"{prefix}{shown(key)}", "no such key", f"every key of schema {SCHEMA_VERSION}")


def _dropped(value: object) -> tuple[DroppedTap, ...]:
    if not isinstance(value, list):
        _refuse("dropped", shown(value), "a list")
    taps = []
    for position, tap in enumerate(value):
        if not isinstance(tap, dict):
            _refuse(f"dropped[{position}]", shown(tap), "an object")
        _same_keys(f"dropped[{position}].", tap, {"name", "reason"})
        taps.append(DroppedTap(**tap))
    return tuple(taps)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_hash(value: object) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _is_int(value: object) -> bool:
    # bool is an int to Python; a seed of `true` is a mistake all the same.
    return type(value) is int


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_utc(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).utcoffset() == timedelta(0)
    except ValueError:
        return False


def _dict_of(accepts: Callable[[object], bool]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        return isinstance(value, dict) and all(_is_text(k) and accepts(v) for k, v in value.items())

    return check


def _are_dropped(value: object) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(tap, DroppedTap) and _is_text(tap.name) and _is_text(tap.reason) for tap in value
    )


_TEXT = (_is_text, "text")
_HASH = "64 lowercase hex digits"
_RULES: dict[str, tuple[Callable[[object], bool], str]] = {
    "schema_version": (lambda value: type(value) is int and value == SCHEMA_VERSION, str(SCHEMA_VERSION)),
    "producer": _TEXT,
    "release": _TEXT,
    "commit": (lambda value: value is None or _is_text(value), "text or null"),
    "case": _TEXT,
    "checkpoint_sha256": (_is_hash, _HASH),
    "input_sha256": (_dict_of(_is_hash), f"names, each with {_HASH}"),
    "torch_version": _TEXT,
    "device": _TEXT,
    "determinism": (
        _dict_of(lambda value: isinstance(value, str | int)),
        "names with text, truth or integers",
    ),
    "seed": (_is_int, "an integer"),
    "dtype": _TEXT,
    "command": _TEXT,
    "created": (_is_utc, "an ISO 8601 time in UTC (+00:00)"),
    "sizes": (_dict_of(_is_count), "names, each with a count"),
    "tap_count": (_is_count, "a count"),
    "dropped": (_are_dropped, "taps, each with a name and a reason"),
    "extra": (_dict_of(_is_text), "names, each with text"),
}
