"""What the tests of sketches share: a recipe, rows and sketches of tensors."""

import torch

from parity.sketch.plain import read_plain
from parity.sketch.recipe import Recipe
from parity.sketch.row import Reading, rows_of
from parity.sketch.sketch import Book, Sketch
from parity.store import Manifest

RECIPE = Recipe(seed=7, elements=16)
SUMS = ("float64", "float64")


def generator(seed):
    return torch.Generator().manual_seed(seed)


def rows(tensors, recipe=RECIPE):
    return rows_of([Reading(t.dtype, tuple(t.shape), read_plain(t, recipe)) for t in tensors])


def row(tensor, recipe=RECIPE):
    (found,) = rows([tensor], recipe)
    return found


def manifest(**changes):
    told = {
        "producer": "port", "release": "1.0.0", "commit": None, "case": "small", "checkpoint_sha256": "a" * 64,
        "input_sha256": {"cond.video": "b" * 64}, "torch_version": "2.13.0", "device": "cpu", "seed": 7,
        "determinism": {"num_threads": 1}, "dtype": "bfloat16", "command": "capture",
        "created": "2026-01-02T03:04:05+00:00", "sizes": {"layers": 2}, "extra": {"binding": "toy"},
    }  # fmt: skip
    return Manifest(**(told | changes))


def sketch(tensors, recipe=RECIPE, **told):
    book = Book()
    book.add((name, row(tensor, recipe)) for name, tensor in tensors.items())
    return Sketch(manifest(**told), recipe, "float64", ("*",), book.rows, book.taps)


def tensors():
    """A few of every kind that matters: larger and smaller than what is kept, equal ones, odd ones."""
    drawn = torch.randn(1, 40, 192, generator=generator(1))
    return {
        "a.large": drawn.bfloat16(),
        "a.large_again": drawn.bfloat16(),
        "b.wide": drawn,
        "b.double": torch.linspace(-1, 1, 100, dtype=torch.float64),
        "c.flags": torch.arange(30) % 3 == 0,
        "c.scalar": torch.tensor(4.0),
        "c.none": torch.empty(0, 64),
        "d.bad": torch.tensor([1.0, torch.nan, torch.inf, -torch.inf]),
        "d.zero": torch.zeros(2, 128),
        "d.whole": torch.arange(7),
    }
