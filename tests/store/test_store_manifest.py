import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store_cases import manifest

from parity.errors import BadInputError
from parity.store import DroppedTap, Manifest

FIELDS = [entry.name for entry in fields(Manifest)]


@given(st.text(), st.integers(), st.dictionaries(st.text(), st.booleans() | st.integers() | st.text()))
def test_a_manifest_survives_json_text(text, seed, determinism):
    original = manifest(case=text, seed=seed, determinism=determinism, dropped=(DroppedTap("t", text),))
    assert Manifest.from_json(json.loads(json.dumps(original.to_json()))) == original


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_key_is_refused_by_name(name):
    value = manifest().to_json()
    del value[name]
    with pytest.raises(BadInputError, match=f"'{name}'.*no such key"):
        Manifest.from_json(value)


def test_an_unknown_key_is_refused_by_name():
    with pytest.raises(BadInputError, match=r"'colour'.*unknown"):
        Manifest.from_json(manifest().to_json() | {"colour": "red"})
    with pytest.raises(BadInputError, match=r"dropped\[0\].'why'.*unknown"):
        Manifest.from_json(manifest().to_json() | {"dropped": [{"name": "a", "reason": "b", "why": "c"}]})


WRONG = [
    ("schema_version", 2),
    ("schema_version", True),
    ("producer", None),
    ("commit", 3),
    ("checkpoint_sha256", "A" * 64),
    ("checkpoint_sha256", ""),
    ("input_sha256", {"latent": "b" * 63}),
    ("input_sha256", ["latent"]),
    ("determinism", {"threads": 1.5}),
    ("seed", True),
    ("seed", "7"),
    ("created", "2026-01-02T03:04:05"),
    ("created", "2026-01-02T03:04:05+02:00"),
    ("created", "yesterday"),
    ("sizes", {"layers": -1}),
    ("tap_count", -1),
    ("dropped", {}),
    ("dropped", [{"name": "a"}]),
    ("dropped", [{"name": "a", "reason": 1}]),
    ("extra", {"k": 1}),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_value_of_the_wrong_kind_is_refused_by_field(name, value):
    with pytest.raises(BadInputError, match=f"manifest field {name}") as caught:
        Manifest.from_json(manifest().to_json() | {name: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_what_is_not_an_object_is_no_manifest(value):
    with pytest.raises(BadInputError, match="root"):
        Manifest.from_json(value)


def test_a_manifest_matches_itself_whatever_does_not_identify_it_changes():
    one = manifest()
    other = replace(one, producer="official", seed=8, device="cuda", command="other", tap_count=9)
    assert one.identity_mismatches(other) == []


def test_everything_stale_is_listed():
    one = manifest(input_sha256={"latent": "b" * 64, "text": "c" * 64})
    other = manifest(
        case="large",
        checkpoint_sha256="d" * 64,
        release="1.1.0",
        input_sha256={"latent": "e" * 64, "audio": "f" * 64},
    )
    assert sorted(one.identity_mismatches(other)) == [
        "case: tiny != large",
        f"checkpoint_sha256: {'a' * 64} != {'d' * 64}",
        f"input_sha256['audio']: (absent) != {'f' * 64}",
        f"input_sha256['latent']: {'b' * 64} != {'e' * 64}",
        f"input_sha256['text']: {'c' * 64} != (absent)",
        "release: 1.0.0 != 1.1.0",
    ]


@given(st.sampled_from(["case", "release"]), st.text(), st.text())
def test_two_manifests_mismatch_exactly_when_an_identifying_field_differs(name, a, b):
    found = manifest(**{name: a}).identity_mismatches(manifest(**{name: b}))
    assert len(found) == (a != b)
    assert all(len(line.splitlines()) == 1 for line in found)


def test_across_releases_only_case_and_weights_must_agree():
    one = manifest(release="1.0.0", input_sha256={"positions": "b" * 64})
    other = manifest(release="1.2.0", input_sha256={"positions": "c" * 64, "mask": "d" * 64})
    assert "release: 1.0.0 != 1.2.0" in one.identity_mismatches(other)
    assert one.identity_mismatches(other, across_releases=True) == []
    stale = replace(other, case="large", checkpoint_sha256="d" * 64)
    assert [line.partition(":")[0] for line in one.identity_mismatches(stale, across_releases=True)] == [
        "case",
        "checkpoint_sha256",
    ]
