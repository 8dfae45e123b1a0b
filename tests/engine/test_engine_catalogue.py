"""The catalogue: rows in file order, laid out over blocks, and nothing malformed let through."""

import pytest
from engine_cases import one_line

from parity.errors import BadInputError
from parity.taps import Catalogue
from parity.taps.catalogue import Item

WHOLE = """
schema = 1
stage = "toy"
implementations = ["own", "other"]
repeats = ["block"]

[bind]
o = "layers.{block}"

[[function]]
name = "norm"
implementation = "own"
target = "some.module:norm"
site = [{ repeat = "block", within = "{o}.{part}", each = [
    { part = "head", when = ["wide"] }, { part = "tail" },
], calls = [{ name = "before" }, { name = "after", when = ["!short"] }] }]

[template.pair]
rows = [
    { name = "{nn}.{tap}.up", own = "{o}.{tap}.up>out", other = "b{block}.{tap}>out.0" },
    { name = "{nn}.{tap}.down", when = ["{flag}"], own = "{o}.{tap}.down>out", other = "b{block}.{tap}>out.1" },
]

[[section]]
name = "entry"
[[section.group]]
rows = [{ name = "in", own = ">in.x", other = ">in.x", boundary = true }]

[[section]]
name = "blocks"
repeat = "block"
[[section.group]]
template = "pair"
each = [{ tap = "a", flag = "always" }, { tap = "b", flag = "never", when = ["wide"] }]
[[section.group]]
when = ["!short"]
rows = [{ name = "{nn}.out", own = "{o}>out", other = "b{block}>out", output = true }]

[[section]]
name = "exit"
[[section.group]]
rows = [{ name = "out", own = ">out", other = ">out" }]
"""


def loaded(folder, text=WHOLE):
    path = folder / "toy.toml"
    path.write_text(text, encoding="utf-8")
    return Catalogue.load(path)


def laid_out(catalogue, scope, blocks, *held, block_flags=lambda block: ()):
    """Expand over that many blocks; `held` hold everywhere, `block_flags(number)` in one block."""
    items = [Item(item.bind, frozenset(block_flags(i))) for i, item in enumerate(Item.numbered("block", blocks))]
    return catalogue.expand(scope, frozenset({"always", *held}), {"block": items})


def test_taps_come_in_file_order_block_by_block(tmp_path):
    plan = laid_out(loaded(tmp_path), "step1", 2, "wide")
    blocks = [f"{i:02d}.{part}" for i in range(2) for part in ("a.up", "a.down", "b.up", "out")]
    assert plan.names == tuple(f"toy.step1.{name}" for name in ("in", *blocks, "out"))


def test_no_scope_leaves_no_empty_part_in_a_name(tmp_path):
    assert laid_out(loaded(tmp_path), "", 0).names == ("toy.in", "toy.out")


def test_conditions_leave_rows_out_by_flag_and_by_its_absence(tmp_path):
    names = laid_out(loaded(tmp_path), "s", 1, "short").names
    assert names == ("toy.s.in", "toy.s.00.a.up", "toy.s.00.a.down", "toy.s.out")


def test_conditions_are_asked_for_each_block(tmp_path):
    plan = laid_out(loaded(tmp_path), "s", 3, block_flags=lambda block: ["short"] if block == 1 else [])
    assert [name for name in plan.names if name.endswith(".out") and name != "toy.s.out"] == [
        "toy.s.00.out",
        "toy.s.02.out",
    ]


def test_placeholders_are_bound_by_block_bindings_and_each(tmp_path):
    plan = laid_out(loaded(tmp_path), "s", 12, "wide")
    tap = {tap.name: tap for tap in plan}["toy.s.11.b.up"]
    assert {side: str(port) for side, port in tap.ports.items()} == {
        "own": "layers.11.b.up>out",
        "other": "b11.b>out.0",
    }


def test_a_tap_knows_its_group_and_what_forcing_does_with_it(tmp_path):
    plan = laid_out(loaded(tmp_path), "s", 1)
    marks = {tap.name: (tap.group, tap.boundary, tap.output) for tap in plan}
    assert marks["toy.s.in"] == ("toy.entry", True, False)
    assert marks["toy.s.00.out"] == ("toy.block00", False, True)
    assert plan.boundaries == {"toy.s.in"}


def test_call_sites_are_laid_out_over_blocks_with_their_calls_in_order(tmp_path):
    plan = laid_out(loaded(tmp_path), "s", 2, "wide", block_flags=lambda block: ["short"] if block else [])
    (site,) = plan.call_sites["own"]
    assert (site.function, site.target, plan.call_sites["other"]) == ("norm", "some.module:norm", ())
    assert site.calls == {
        "layers.0.head": ("before", "after"),
        "layers.1.head": ("before",),
        "layers.0.tail": ("before", "after"),
        "layers.1.tail": ("before",),
    }


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("schema = 1", "schema = 2", "schema"),
        ("schema = 1", "", "schema"),
        ('stage = "toy"', "", "stage"),
        ('stage = "toy"', "stage = 3", "stage"),
        ('stage = "toy"', 'stage = "toy"\nunheard = 1', "unheard"),
        ('implementations = ["own", "other"]', 'implementations = "own"', "implementations"),
        ('name = "entry"', "", "name"),
        ('name = "entry"', 'name = "entry"\nwhen = ["wide"]', "when"),
        ('repeat = "block"\n', 'repeat = "blocks"\n', "repeat"),
        ('template = "pair"', "", "template"),
        ('template = "pair"', 'template = "unheard"', "unheard"),
        ('template = "pair"', 'template = "pair"\nrows = []', "rows"),
        ('when = ["!short"]\nrows', 'when = "!short"\nrows', "when"),
        ('when = ["!short"]\nrows', 'whn = ["!short"]\nrows', "whn"),
        ('when = ["{flag}"]', 'when = "{flag}"', "when"),
        ("boundary = true", 'boundary = "yes"', "boundary"),
        ("boundary = true", "boundry = true", "boundry"),
        ('own = ">out", ', "", "own"),
        ('own = ">out"', 'own = "out"', "does not parse"),
        ('own = ">out"', "own = 3", "own"),
        ('{ name = "out", own', '{ nam = "out", own', "name"),
        ('target = "some.module:norm"', "", "target"),
        ('implementation = "own"', 'implementation = "owm"', "owm"),
        ('calls = [{ name = "before" }', 'calls = [{ nome = "before" }', "nome"),
        ('within = "{o}.{part}"', 'inside = "{o}.{part}"', "within"),
        ('part = "head", when = ["wide"]', 'part = "head", when = "wide"', "when"),
        ('tap = "a", flag', 'top = "a", flag', "'tap'"),
        ('flag = "never", when', "when", "'flag'"),
        ("{nn}.out", "{unbound}.out", "'unbound'"),
        ("{nn}.out", "{nn.out", "{nn.out"),
        ("{nn}.out", "{}.out", "{}.out"),
        ("{nn}.out", "{nn.real}.out", "{nn.real}"),
        ('name = "in", own', 'name = "{nn}", own', "'nn'"),
        ('o = "layers.{block}"', 'o = "layers.{unbound}"', "'o'"),
        ('repeats = ["block"]', 'repeats = "block"', "repeats"),
        ('repeats = ["block"]', 'fallback = { other = "third" }', "fallback"),
        ('repeats = ["block"]', 'fallback = { other = "other" }', "fallback"),
        ('implementation = "own"', 'implementation = ["own", "owm"]', "owm"),
        ("{nn}.out", "{nn}.a.up", "declared twice"),
        ("[[section]]", "[[section", "not TOML"),
    ],
)
def test_a_malformed_catalogue_is_refused_in_one_line(tmp_path, old, new, part):
    assert old in WHOLE
    with pytest.raises(BadInputError) as caught:
        laid_out(loaded(tmp_path, WHOLE.replace(old, new, 1)), "s", 2, "wide")
    assert one_line(caught.value, "toy.toml" if part != "does not parse" else "port", part)


def test_a_missing_file_is_refused_in_one_line(tmp_path):
    with pytest.raises(BadInputError) as caught:
        Catalogue.load(tmp_path / "absent.toml")
    assert one_line(caught.value, "absent.toml", "No such file")


def test_a_file_that_is_not_text_is_refused_in_one_line(tmp_path):
    (tmp_path / "toy.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInputError) as caught:
        Catalogue.load(tmp_path / "toy.toml")
    assert one_line(caught.value, "not TOML")


def test_a_misspelt_flag_is_refused_where_the_flags_are_listed(tmp_path):
    listed = WHOLE.replace("schema = 1", 'schema = 1\nflags = ["wide", "short", "always", "never"]')
    assert laid_out(loaded(tmp_path, listed), "s", 1, "wide").names
    misspelt = listed.replace('when = ["!short"]', 'when = ["!shrot"]')
    with pytest.raises(BadInputError, match="shrot") as refusal:
        laid_out(loaded(tmp_path, misspelt), "s", 1, "wide")
    one_line(refusal.value)


def test_a_word_without_items_is_refused_in_one_line(tmp_path):
    with pytest.raises(BadInputError) as caught:
        loaded(tmp_path).expand("s", frozenset({"always"}))
    assert one_line(caught.value, "toy.toml", "block", "nothing to repeat")


def test_an_implementation_may_fall_back_on_the_ports_of_another(tmp_path):
    text = WHOLE.replace('["own", "other"]', '["own", "other", "later"]\nfallback = { later = "own" }', 1)
    text = text.replace(
        'rows = [{ name = "out", own = ">out"', 'rows = [{ name = "out", later = ">out.0", own = ">out"'
    )
    ports = {tap.name: tap.ports for tap in laid_out(loaded(tmp_path, text), "s", 1, "wide")}
    assert str(ports["toy.s.in"]["later"]) == ">in.x"
    assert str(ports["toy.s.out"]["later"]) == ">out.0"


def test_a_function_may_belong_to_several_implementations(tmp_path):
    text = WHOLE.replace('implementation = "own"', 'implementation = ["own", "other"]')
    sites = laid_out(loaded(tmp_path, text), "s", 1, "wide").call_sites
    assert sites["own"] == sites["other"] != ()
