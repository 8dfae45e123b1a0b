"""A certificate's file is read strictly: what is not exactly what was written does not hold."""

import copy
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificate_cases import PORT, SCOPE, evidence, put, sealed
from hypothesis import given
from hypothesis import strategies as st

from ltx_port.certificate import Certificate, valid_certificate
from ltx_port.certificate.certificate import MAX_BYTES
from ltx_port.errors import InputError

TEXT = sealed().to_json()
DOCUMENT: dict[str, Any] = json.loads(TEXT)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every field, whole lists and objects included."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


def at(document: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def changed(path: tuple[str | int, ...], value: Any) -> str:
    document = copy.deepcopy(DOCUMENT)
    at(document, path[:-1])[path[-1]] = value
    return json.dumps(document)


PLACES = list(places(DOCUMENT))
LEAVES = [path for path in PLACES if not isinstance(at(DOCUMENT, path), dict | list)]
KEYS = [path for path in PLACES if isinstance(path[-1], str)]


def refused(folder: Path, content: str | bytes) -> str:
    (folder / SCOPE.file_name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as caught:
        valid_certificate(SCOPE, folder)
    assert len(str(caught.value).splitlines()) == 1
    assert len(caught.value.got) < 400
    return caught.value.got


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    assert Certificate.read(put(tmp_path)) == sealed()
    assert TEXT.startswith('{\n "schema"')


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@given(place=st.sampled_from(PLACES), value=JSON_VALUES)
def test_no_field_can_be_replaced(folder: Path, place: tuple[str | int, ...], value: Any) -> None:
    """Where the new value says the same (1 for 1.0, say), nothing was edited."""
    if Certificate.from_json(TEXT) == _read(changed(place, value)):
        return
    refused(folder, changed(place, value))


def _read(text: str) -> Certificate | None:
    try:
        return Certificate.from_json(text)
    except ValueError:
        return None


def _near(value: Any) -> Any:
    """Another value that looks as good."""
    if isinstance(value, str):
        return value[:-1] + ("1" if value[-1] != "1" else "2")
    return "another" if value is None else value + 1


@pytest.mark.parametrize("place", LEAVES, ids=lambda path: ".".join(map(str, path)))
def test_an_edit_by_hand_of_any_field_is_found(folder: Path, place: tuple[str | int, ...]) -> None:
    got = refused(folder, changed(place, _near(at(DOCUMENT, place))))
    # Names out of a closed list, and the time zone, are refused for what they are.
    closed = "oracles" in place or place[-1] in ("schema", "device", "dtype", "created")
    assert got.startswith("unreadable" if closed else "edited since it was written")


def test_whoever_seals_anew_is_not_stopped(tmp_path: Path) -> None:
    """The digest is no signature, and its docstring says so: this is the limit of what a certificate shows."""
    put(tmp_path, evidence(seconds=1.0, report_sha256="f" * 64))
    assert valid_certificate(SCOPE, tmp_path).report_sha256 == "f" * 64
    assert "It is no signature" in str(Certificate.__doc__)


def test_a_cut_certificate_is_unreadable(folder: Path) -> None:
    for length in range(0, len(TEXT) - 2, 31):
        assert refused(folder, TEXT[:length]).startswith("unreadable: ")


@pytest.mark.parametrize("key", KEYS, ids=lambda path: ".".join(map(str, path)))
def test_a_key_missing_unknown_or_doubled_is_unreadable(folder: Path, key: tuple[str | int, ...]) -> None:
    document = copy.deepcopy(DOCUMENT)
    owner = at(document, key[:-1])
    value = owner.pop(key[-1])
    assert refused(folder, json.dumps(document)).startswith("unreadable: ")
    owner[key[-1]] = value
    owner[f"{key[-1]} too"] = value
    assert refused(folder, json.dumps(document)).startswith("unreadable: ")
    del owner[f"{key[-1]} too"]
    owner["@"] = value
    doubled = json.dumps(document).replace('"@"', json.dumps(key[-1]))
    assert "is given twice" in refused(folder, doubled)


TYPES = [
    (("seconds",), "41.5"),
    (("seconds",), True),
    (("seconds",), -1.0),
    (("compared", 0, "taps"), 30.0),
    (("compared", 0, "taps"), "30"),
    (("compared", 0, "taps"), True),
    (("compared", 0, "taps"), -1),
    (("compared", 0, "taps"), 10**30),
    (("port_sha256",), PORT.upper()),
    (("port_sha256",), PORT[:-1]),
    (("port_sha256",), f"{PORT}\n"),
    (("scope", "release"), "../1.2.0"),
    (("scope", "torch"), 2.13),
    (("versions", "cpu"), "two\nlines"),
    (("versions", "gpu"), "two\u2028lines"),
    (("created",), "2026-11-25T04:00:00"),
    (("created",), "2026-11-25T04:00:00+01:00"),
    (("created",), "yesterday"),
    (("stages",), "lora"),
    (("stages",), {}),
    (("compared",), None),
    (("reference", "oracles"), ["hearsay"]),
    (("schema",), "ltx-parity/certificate/2"),
]


@pytest.mark.parametrize(("place", "value"), TYPES, ids=lambda value: repr(value)[:40])
def test_a_value_of_another_kind_is_unreadable(folder: Path, place: tuple[str | int, ...], value: Any) -> None:
    got = refused(folder, changed(place, value))
    assert got.startswith("unreadable: ")
    assert str(place[0]) in got


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"[" * 900 + b"]" * 900,
        TEXT.replace("41.5", "NaN").encode(),
        TEXT.replace("41.5", "Infinity").encode(),
        TEXT.replace("41.5", "1e999").encode(),
        TEXT.replace("41.5", "9" * 5000).encode(),
        TEXT.encode() + b" " * MAX_BYTES,
        TEXT.encode() + TEXT.encode(),
        b"null",
        b'"text"',
        json.dumps([DOCUMENT]).encode(),
        json.dumps({**DOCUMENT, "\n\u2028" * 500: 1}).encode(),
    ],
    ids=["empty", "not UTF-8", "deep lists", "deep objects", "nested", "NaN", "infinity", "beyond float64",
         "huge number", "giant", "two", "null", "text", "a list", "hostile key"],
)  # fmt: skip
def test_what_is_no_certificate_is_unreadable_in_one_line(folder: Path, content: bytes) -> None:
    assert refused(folder, content).startswith("unreadable: ")


def test_what_is_no_file_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / SCOPE.file_name

    def told() -> str:
        with pytest.raises(InputError) as caught:
            valid_certificate(SCOPE, tmp_path)
        return caught.value.got

    path.mkdir()
    assert told() == "unreadable: not a file"
    path.rmdir()
    os.mkfifo(path)
    assert told() == "unreadable: not a file"
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    assert told() == "unreadable: not a file"
