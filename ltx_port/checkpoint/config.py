"""The `config` that a checkpoint carries in its metadata: read strictly, never guessed."""

import json
from collections.abc import Iterator
from itertools import chain, islice
from typing import TypeVar

from pydantic import ValidationError

from ltx_port import strict_json
from ltx_port.checkpoint.audio_config import AudioVaeConfig, VocoderConfig
from ltx_port.checkpoint.equalities import broken_equalities
from ltx_port.checkpoint.section import Section
from ltx_port.checkpoint.supported import Violation, unsupported_values
from ltx_port.checkpoint.transformer_config import TransformerConfig
from ltx_port.checkpoint.video_config import SchedulerConfig, VideoVaeConfig
from ltx_port.errors import InputError

__all__ = ["CheckpointConfig", "TransformerConfig", "parse_config"]

AnySection = TypeVar("AnySection", bound=Section)
_OTHER_RELEASE = "use a checkpoint of LTX-2.3; other releases have other keys"


class CheckpointConfig(Section):
    """The whole configuration of an LTX-2.3 checkpoint."""

    transformer: TransformerConfig
    vae: VideoVaeConfig
    scheduler: SchedulerConfig
    audio_vae: AudioVaeConfig
    vocoder: VocoderConfig

    def to_json(self) -> str:
        """Write back the JSON value that was read: the same keys, and numbers of the same kind."""
        # exclude_unset drops nothing but an absent audio_in_channels: no other key has a default.
        return json.dumps(self.model_dump(mode="json", by_alias=True, exclude_unset=True))


def parse_config(text: str, where: str) -> CheckpointConfig:
    """Read a configuration from JSON text; `where` names its origin in errors.

    Raises InputError, naming the full dotted key, for malformed JSON, for a key that is unknown, missing,
    doubled or of the wrong type, for a value this port cannot honour, and for keys that contradict others.
    """
    config = parse_section(CheckpointConfig, text, where)
    refuse_violations(chain(unsupported_values(config), broken_equalities(config)), where)
    return config


def parse_section(kind: type[AnySection], text: str, where: str) -> AnySection:
    """Read one section from JSON text, for its keys and their types alone; errors as in `parse_config`."""
    _check_json(text, where)
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise _shape_error(error, where) from None


def refuse_violations(violations: Iterator[Violation], where: str) -> None:
    """Raise InputError with the first violation, where there is one, and the number of others."""
    first = next(violations, None)
    if first is not None:
        others = sum(1 for _ in violations)
        got = f"{first.key} is {first.got!r}{_and_more(others)}"
        raise InputError(where, got, first.expected, "this port does not compute other values")


def _check_json(text: str, where: str) -> None:
    # pydantic's reader would take the last of two equal keys without a word.
    try:
        strict_json.parse(text)
    except ValueError as error:
        raise InputError(where, f"malformed: {error}", "one JSON object", "fetch the file again") from None


def _shape_error(error: ValidationError, where: str) -> InputError:
    found = list(_readable(error))
    got, expected = found[0]
    return InputError(where, f"{got}{_and_more(len(found) - 1)}", expected, _OTHER_RELEASE)


def _readable(error: ValidationError) -> Iterator[tuple[str, str]]:
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"]) or "the whole"
        if item["type"] == "extra_forbidden":
            yield f"unknown key {key}", "only the keys of an LTX-2.3 configuration"
        elif item["type"] == "missing":
            yield f"missing key {key}", "every key of an LTX-2.3 configuration"
        else:
            yield f"{key} is {_short(item['input'])}", _expectation(item["msg"])


def _expectation(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input should be ")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else "".join(islice(text, 57)) + "..."


def _and_more(others: int) -> str:
    return f" (and {others} more)" if others else ""
