"""A sketch on disk: what is read is what was written, it is no larger than allowed, and nothing else is read."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from sketch_cases import RECIPE, generator, manifest, row, sketch, tensors

from parity.errors import BadInputError
from parity.sketch.columns import FORMS, JOINED, Kept, columns_of, rows_in
from parity.sketch.file import KIND, SUFFIX, read_sketch, write_sketch
from parity.sketch.recipe import Recipe
from parity.store import Dump, DumpWriter

FIELDS = ("dtype", "shape", "digest", "scale", "norm", "largest", "nonfinite")
ARRAYS = ("buckets", "exponents", "positions", "channels", "elements")


@pytest.fixture
def path(tmp_path):
    return tmp_path / f"a{SUFFIX}"


def same(left, right):
    return all(getattr(left, name) == getattr(right, name) for name in FIELDS) and all(
        np.array_equal(getattr(left, name), getattr(right, name)) for name in ARRAYS
    )


def test_what_is_read_is_what_was_written(path):
    written = sketch(tensors())
    told = write_sketch(written, path)
    found = read_sketch(path)
    assert found.taps == dict(written.taps)
    assert list(found.taps) == list(written.taps)
    assert all(same(a, b) for a, b in zip(found.rows, written.rows, strict=True))
    assert len(found.rows) == len(tensors()) - 1
    assert (found.recipe, found.sums, found.patterns) == (RECIPE, "float64", ("*",))
    assert found.manifest == told
    assert told.extra["kind"] == KIND
    assert replace(told, extra={}, tap_count=0) == replace(manifest(), extra={})


def test_the_same_run_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_sketch(sketch(tensors()), tmp_path / f"{name}{SUFFIX}")
    assert (tmp_path / f"a{SUFFIX}").read_bytes() == (tmp_path / f"b{SUFFIX}").read_bytes()


def large(count=12):
    return {f"t{n}": torch.randn(3000, generator=generator(n)) for n in range(count)}


def test_a_limit_leaves_of_each_large_tensor_the_first_elements(path):
    whole = sketch({**large(), "small": torch.arange(60)}, Recipe(7, 1000))
    write_sketch(whole, path)
    unlimited = path.stat().st_size
    limit = unlimited - 12 * 4 * 400
    write_sketch(whole, path, limit)
    found = read_sketch(path)
    drawn = int(found.manifest.extra["sketch_drawn"])
    assert 400 < drawn <= 600
    assert limit - 12 * 4 - 16_000 < path.stat().st_size <= limit
    for name in large():
        assert torch.equal(found.row(name).values, whole.row(name).values[:drawn])
    assert torch.equal(found.row("small").values, torch.arange(60))


def test_a_limit_holds_whatever_the_manifest_says(path):
    """Quotes and letters beyond ASCII take several bytes each."""
    whole = sketch(
        large(3), Recipe(7, 1000), command='"\\ä' * 500, input_sha256={f'"{n}': "c" * 64 for n in range(300)}
    )
    for limit in range(80_000, 130_000, 9_000):
        write_sketch(whole, path, limit)
        assert path.stat().st_size <= limit


def test_a_limit_that_is_too_low_is_refused_and_leaves_nothing(path):
    with pytest.raises(BadInputError, match=r"for 12 distinct tensors .* expected 50,000 at most; raise --max-bytes"):
        write_sketch(sketch(large()), path, 50_000)
    assert list(path.parent.iterdir()) == []


def test_names_of_several_lines_are_refused(path):
    for name in ("a\nb", "a\u2028b", ""):
        with pytest.raises(BadInputError, match="one line"):
            write_sketch(sketch({name: torch.ones(3), "z": torch.ones(3)}), path)


def test_a_failing_disk_leaves_what_was_there(path, monkeypatch):
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(BadInputError, match="No space left"):
        write_sketch(sketch(tensors()), path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_sketch_is_not_read_as_a_dump_nor_a_dump_as_a_sketch(path):
    write_sketch(sketch(tensors()), path)
    with pytest.raises(BadInputError, match="a dump of the kind 'sketch/1'; expected one of tensors"):
        Dump.open(path)
    with DumpWriter(path) as writer:
        writer.write("a", torch.ones(3))
        writer.set_manifest(manifest())
    with pytest.raises(BadInputError, match="a dump of the kind 'tensors'; expected one of sketch/1"):
        read_sketch(path)


@pytest.mark.parametrize("name", ["a.safetensors", "a.sketch.h5", "sketch.safetensors"])
def test_another_name_is_refused(tmp_path, name):
    with pytest.raises(BadInputError, match=SUFFIX):
        write_sketch(sketch(tensors()), tmp_path / name)
    with pytest.raises(BadInputError, match=SUFFIX):
        read_sketch(tmp_path / name)


def rewritten(path, edit, **extra):
    """Write the columns of a sketch again, edited, under hashes that are right."""
    with Dump.open(path, KIND) as dump:
        columns = {name: dump.read(name) for name in dump.names}
        told = replace(dump.manifest, extra={**dump.manifest.extra, **extra})
    edit(columns)
    with DumpWriter(path) as writer:
        for name, column in columns.items():
            writer.write(name, column)
        writer.set_manifest(told)


def put(name, place, value):
    def edit(columns):
        columns[name][place] = value

    return edit


EDITS = {
    **{f"without {name}": (lambda c, name=name: c.pop(name)) for name in (*FORMS, *JOINED, "names", "taps")},
    "an extra column": lambda c: c.update(more=torch.ones(3)),
    "another dtype": lambda c: c.update(norm=c["norm"].float()),
    "a row less": lambda c: c.update(scale=c["scale"][:-1]),
    "another shape": lambda c: c.update(positions=c["positions"].T.contiguous()),
    "kinds that are no JSON": lambda c: c.update(kinds=c["kinds"][:-3]),
    "an unknown dtype": lambda c: c.update(kinds=torch.tensor(list(b'[["int3",[2]]]'), dtype=torch.uint8)),
    "no list of kinds": lambda c: c.update(kinds=torch.tensor(list(b'{"a":1}'), dtype=torch.uint8)),
    "a negative size": lambda c: c.update(kinds=torch.tensor(list(b'[["int32",[-2]]]'), dtype=torch.uint8)),
    "a kind beyond the list": put("kind", 0, 99),
    "a negative kind": put("kind", 0, -1),
    "another tensor's kind": put("kind", 0, 3),
    "a negative norm": put("norm", 0, -1.0),
    "a norm that is NaN": put("norm", 0, torch.nan),
    "an infinite magnitude": put("largest", 0, torch.inf),
    "a scale of nothing": put("scale", 0, 0.0),
    "a negative count": put("nonfinite", (0, 0), -1),
    "an uncounted NaN": put("nonfinite", (0, 0), 1),
    "exponents beyond 256": put("span", (0, 1), 257),
    "a negative span": put("span", (0, 0), -1),
    "exponents that lack one": put("exponents", 0, 77),
    "fewer elements": lambda c: c.update(elements=c["elements"][:-1]),
    "more channels": lambda c: c.update(channels=torch.cat([c["channels"], c["channels"]])),
    "a negative channel": put("channels", 0, -1.0),
    "a bucket beyond 24 bits": put("buckets", (0, slice(3)), torch.tensor([0, 0, 128], dtype=torch.uint8)),
    "a tap of no row": put("taps", 0, 77),
    "a row of no tap": put("taps", -1, 0),
    "a tap twice": lambda c: c.update(names=torch.cat([c["names"][:8], c["names"][7:8], c["names"]])),
    "names that are not UTF-8": put("names", 0, 255),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_columns_that_do_not_hold_together_are_refused_in_one_line(path, edit):
    write_sketch(sketch(tensors()), path)
    rewritten(path, EDITS[edit])
    with pytest.raises(BadInputError) as caught:
        read_sketch(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "extra",
    [
        {"sketch_seed": "x"},
        {"sketch_seed": "-1"},
        {"sketch_seed": "07"},
        {"sketch_seed": "²"},
        {"sketch_seed": "9" * 5000},
        {"sketch_elements": "100"},
        {"sketch_elements": str(2**33)},
        {"sketch_drawn": "17"},
        {"sketch_sums": "float16"},
    ],
)
def test_a_manifest_that_says_otherwise_is_refused_in_one_line(path, extra):
    write_sketch(sketch(tensors()), path)
    rewritten(path, lambda _: None, **extra)
    with pytest.raises(BadInputError) as caught:
        read_sketch(path)
    assert "\n" not in str(caught.value)


def test_a_changed_byte_is_refused(path):
    write_sketch(sketch(tensors()), path)
    raw = bytearray(path.read_bytes())
    for place in range(40, len(raw), len(raw) // 37):
        raw[place] ^= 1
        path.write_bytes(raw)
        with pytest.raises(BadInputError):
            read_sketch(path)
        raw[place] ^= 1


def test_columns_survive_without_a_file():
    rows = sketch(tensors()).rows
    kept = Kept(RECIPE.elements, RECIPE.elements)
    columns = columns_of(rows, kept)
    assert all(same(a, b) for a, b in zip(rows, rows_in(columns, kept, "here"), strict=True))
    assert columns["buckets"].shape == (len(rows), 1536 * 3)
    assert json.loads(bytes(columns["kinds"].tolist()))[0] == ["bfloat16", [1, 40, 192]]


@pytest.mark.parametrize("infinities", [0, 3])
def test_a_tensor_whose_exponents_are_counted_in_part_is_read_as_it_was_written(path, infinities):
    tensor = torch.randn(9 * 24_576 + 5, generator=generator(3))
    tensor[-1 - infinities : -1] = torch.inf
    write_sketch(sketch({"a": tensor}), path)
    found = read_sketch(path).row("a")
    assert int(found.exponents.sum()) == 4 * 24_576 + 24_576
    assert found.nonfinite == (0, infinities, 0)
    assert found.digest == row(tensor).digest
