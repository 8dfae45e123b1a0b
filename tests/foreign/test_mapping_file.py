"""The mapping file: names, placeholders, and every way to write it wrong, refused in one line."""

from pathlib import Path
from typing import Any

import pytest
from foreign_cases import entry, mapping

from parity.cli import main
from parity.errors import BadInputError
from parity.foreign.mapping import TapMapping


def names(found: TapMapping) -> list[tuple[str, str]]:
    return [(one.tap, one.sources[0].name) for one in found.entries]


def test_one_entry_stands_for_every_combination_of_its_words() -> None:
    found = mapping(
        entry("b{block:02}.{part.tap}", "blk.{block+1}.{part.from}"),
        each={
            "block": {"first": 0, "last": 1},
            "part": [{"tap": "q", "from": "wq"}, {"tap": "k", "from": "wk"}],
        },
    )
    assert names(found) == [
        ("b00.q", "blk.1.wq"),
        ("b00.k", "blk.1.wk"),
        ("b01.q", "blk.2.wq"),
        ("b01.k", "blk.2.wk"),
    ]


def test_an_entry_reads_only_the_words_that_it_names() -> None:
    found = mapping(entry("in", "x"), entry("{way}.out", "y{way}"), each={"way": ["a", "b"], "unused": [1, 2]})
    assert names(found) == [("in", "x"), ("a.out", "ya"), ("b.out", "yb")]


def test_an_entry_can_have_words_of_its_own() -> None:
    found = mapping(entry("{way}", "{way}", each={"way": ["c"]}), entry("{way}", "{way}"), each={"way": ["a"]})
    assert names(found) == [("c", "c"), ("a", "a")]


def test_doubled_braces_are_braces() -> None:
    assert names(mapping(entry("tap", "a{{0}}{{{w}}}", each={"w": [7]}))) == [("tap", "a{0}{7}")]


GOOD = {"schema": 1, "tap": [{"tap": "t", "from": "f"}]}
STEP = "one step"
BAD: dict[str, dict[str, Any]] = {
    "no schema": {"tap": GOOD["tap"]},
    "another schema": {**GOOD, "schema": 2},
    "a true schema": {**GOOD, "schema": True},
    "no taps": {"schema": 1},
    "an unknown key": {**GOOD, "taps": []},
    "a tap that is no table": {"schema": 1, "tap": ["t"]},
    "no from": {"schema": 1, "tap": [{"tap": "t"}]},
    "an unknown key of an entry": {"schema": 1, "tap": [{"tap": "t", "from": "f", "step": []}]},
    "an empty name": {"schema": 1, "tap": [{"tap": "", "from": "f"}]},
    "from nothing": {"schema": 1, "tap": [{"tap": "t", "from": []}]},
    "from a number": {"schema": 1, "tap": [{"tap": "t", "from": 3}]},
    "two tensors that are not joined": {"schema": 1, "tap": [{"tap": "t", "from": ["a", "b"]}]},
    "one tensor that is joined": {"schema": 1, "tap": [{"tap": "t", "from": "a", "steps": [{"concat": 0}]}]},
    "joined twice": {"schema": 1, "tap": [{"tap": "t", "from": ["a", "b"], "steps": [{"concat": 0}, {"stack": 0}]}]},
    "joined inside of a source": {
        "schema": 1, "tap": [{"tap": "t", "from": [{"name": "a", "steps": [{"concat": 0}]}]}],
    },
    "a word without values": {"schema": 1, "tap": [{"tap": "{w}", "from": "f"}]},
    "an open brace": {"schema": 1, "tap": [{"tap": "t", "from": "f{"}]},
    "an odd placeholder": {"schema": 1, "tap": [{"tap": "t", "from": "{w:3}"}], "each": {"w": [1]}},
    "a text that is counted from": {"schema": 1, "tap": [{"tap": "t", "from": "{w+1}"}], "each": {"w": ["a"]}},
    "below nought": {"schema": 1, "tap": [{"tap": "t", "from": "{w-1}"}], "each": {"w": [0]}},
    "a field that is not there": {"schema": 1, "tap": [{"tap": "t", "from": "{w.x}"}], "each": {"w": [{"y": 1}]}},
    "a table without a field": {"schema": 1, "tap": [{"tap": "t", "from": "{w}"}], "each": {"w": [{"y": 1}]}},
    "a field of a number": {"schema": 1, "tap": [{"tap": "t", "from": "{w.x}"}], "each": {"w": [1]}},
    "no values": {**GOOD, "each": {"w": []}},
    "a value twice": {**GOOD, "each": {"w": [1, 1]}},
    "a value below nought": {**GOOD, "each": {"w": [-1]}},
    "tables that differ": {**GOOD, "each": {"w": [{"a": 1}, {"b": 1}]}},
    "a range that runs back": {**GOOD, "each": {"w": {"first": 2, "last": 1}}},
    "a range of half a number": {**GOOD, "each": {"w": {"first": 0, "last": 1.5}}},
    "more names than memory": {
        "schema": 1, "tap": [{"tap": "{a}{b}", "from": "f"}],
        "each": {"a": {"first": 0, "last": 9999}, "b": {"first": 0, "last": 9999}},
    },
    "covers nothing": {**GOOD, "covers": []},
    "skip without a reason": {**GOOD, "skip": [{"taps": ["x"]}]},
    "skip for no reason": {**GOOD, "skip": [{"taps": ["x"], "reason": " "}]},
    "ignore without a reason": {**GOOD, "ignore": [{"from": ["x"]}]},
    "unsigned for no reason": {**GOOD, "unsigned": ""},
    "shared for no reason": {"schema": 1, "tap": [{"tap": "t", "from": "f", "shared": ""}]},
    "more than certain": {"schema": 1, "tap": [{"tap": "t", "from": "f", "confidence": 1.5}]},
    "steps that are no list": {"schema": 1, "tap": [{"tap": "t", "from": "f", "steps": {"squeeze": 0}}]},
}  # fmt: skip
BAD_STEPS: dict[str, Any] = {
    "no step": {},
    "two in one": {"squeeze": 0, "unsqueeze": 0},
    "unknown": {"rotate": 1},
    "an option of another": {"squeeze": 0, "axis": 1},
    "no axes": {"permute": []},
    "an axis twice": {"permute": [0, 0]},
    "an axis below nought": {"permute": [-1, 0]},
    "half an axis": {"permute": [0, 1.0]},
    "a true axis": {"squeeze": True},
    "one axis to exchange": {"transpose": [0]},
    "an axis with itself": {"transpose": [1, 1]},
    "two unknown sizes": {"reshape": [-1, -1]},
    "a size of nought": {"reshape": [0, 2]},
    "an empty slice": {"slice": [2, 2]},
    "a slice backwards": {"slice": [2, 1]},
    "a stride of nought": {"slice": [0, 2], "stride": 0},
    "a split without a part": {"split": [1, 2]},
    "a part too many": {"split": [1, 2], "take": 2},
    "a part of nought": {"split": [0, 2], "take": 0},
    "an order that leaves one out": {"reorder": [0, 2]},
    "an unknown way": {"rope": "swap", "heads": 1},
    "no heads": {"rope": "interleaved-to-split"},
    "nought heads": {"rope": "interleaved-to-split", "heads": 0},
    "an unknown dtype": {"cast": "float8"},
    "a dtype that is not computed with": {"cast": "uint64"},
    "rounding for no reason": {"cast": "bfloat16", "rounding": ""},
    "rounding by a truth value": {"cast": "bfloat16", "rounding": True},
    "a factor of nought": {"scale": 0},
    "a factor that is not finite": {"scale": float("inf")},
    "a factor in words": {"scale": "2"},
    "an offset that is not a number": {"add": float("nan")},
    "an offset that is true": {"add": True},
}
BAD |= {
    f"step: {why}": {"schema": 1, "tap": [{"tap": "t", "from": "f", "steps": [step]}]}
    for why, step in BAD_STEPS.items()
}


@pytest.mark.parametrize("document", BAD.values(), ids=BAD.keys())
def test_a_mapping_that_is_written_wrong_is_refused_in_one_line(document: dict[str, Any]) -> None:
    with pytest.raises(BadInputError) as refusal:
        TapMapping.read(document, "map.toml")
    assert str(refusal.value).startswith("map.toml")
    assert "\n" not in str(refusal.value)


def test_the_bad_mappings_differ_from_a_good_one_in_what_is_bad() -> None:
    assert names(TapMapping.read(GOOD, "map.toml")) == [("t", "f")]


@pytest.mark.parametrize(
    "text", ["", "schema = ", "schema = 1\n[[tap]]\ntap = 't'\nfrom = 'f'\nsteps = [{ spin = 1 }]\n", "\x00", "é\udce9"]
)
def test_the_command_refuses_a_bad_file_in_one_line_with_exit_code_2(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from foreign_cases import numbers, write_dump, write_port

    write_dump(tmp_path / "r.h5", {"t": numbers(2)}, case="small")
    write_port(tmp_path / "c.safetensors", {"f": numbers(2)})
    (tmp_path / "m.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    files = [str(tmp_path / "r.h5"), str(tmp_path / "c.safetensors"), "--mapping", str(tmp_path / "m.toml")]
    assert main(["compare", *files, "--quiet"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert "m.toml" in told.err


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="check the path"):
        TapMapping.load(tmp_path / "none.toml")
