"""The table of operations: the first row that covers a tap rules it, and a malformed file is refused in one line."""

from pathlib import Path

import pytest

from parity.blame import Operations
from parity.errors import BadInputError

WHOLE = """schema = 1
[[operation]]
part = "norm"
taps = ["*.q_norm", "*.norm"]
[[operation]]
part = "other"
taps = ["*.q*"]
[[axes]]
names = ["batch", "tokens"]
taps = ["a.*"]
"""


def table(folder: Path, text: str) -> Operations:
    path = folder / "operations.toml"
    path.write_text(text, encoding="utf-8")
    return Operations.load(path)


def test_the_first_row_that_covers_a_tap_rules_it(tmp_path):
    found = table(tmp_path, WHOLE)
    assert [found.part(name) for name in ("a.q_norm", "a.q_rope", "a.v")] == ["norm", "other", None]


def test_axes_are_named_where_the_rank_fits(tmp_path):
    found = table(tmp_path, WHOLE)
    assert found.named("at axis 1, then axis 0", "a.q", 2) == "at axis 1 (tokens), then axis 0 (batch)"
    assert found.named("at axis 1", "a.q", 3) == "at axis 1"
    assert found.named("at axis 1", "b.q", 2) == "at axis 1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("schema = 2", "schema 2"),
        ("schema = 1\nmore = 3", "'more'"),
        ("schema = ", "not TOML"),
        (WHOLE.replace('part = "norm"', 'part = ["norm"]'), "part = ['norm']"),
        (WHOLE.replace('part = "norm"\n', ""), "operation 1: keys ['taps']"),
        (WHOLE.replace('["*.q*"]', '"*.q*"'), "operation 2"),
        ("schema = 1\noperation = 3", "a int"),
        ("schema = 1\noperation = [3]", "a int"),
    ],
)
def test_a_malformed_table_is_refused_in_one_line(tmp_path, text, told):
    with pytest.raises(BadInputError) as refused:
        table(tmp_path, text)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_table_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="No such file"):
        Operations.load(tmp_path / "none.toml")
