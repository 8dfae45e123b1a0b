"""What is handed to the kernels of a GPU, and what is made of their answers: here they are read by the definition.

The kernels themselves are held to it on a GPU, in test_sketch_fused.
"""

import ctypes
import sys
from contextlib import nullcontext
from importlib import import_module
from types import SimpleNamespace

import pytest
import torch
from batch_cases import RECIPE, a_batch, drawn, require_alike

from parity.sketch.plain import read_plain
from parity.sketch.recipe import BUCKETS, GROUPS, LANES

CPU = torch.device("cpu")
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
BEYOND_FLOAT32 = 3e38


class Kernel:
    """Stands for a Triton kernel: called through its grid."""

    def __init__(self, run):
        self._run = run

    def __getitem__(self, grid):
        return lambda *args, **kwargs: self._run(grid, *args, **kwargs)


def row_as_said(row, dtype):
    """Give the elements that a row of the table says, from the memory that it says, and in a shape of its channels."""
    address, chunks, _, _, blocks, size, shift, gap, _, _ = row
    words = LANES * dtype.itemsize // 4
    starts = [chunk * words + (chunk >> shift) * gap for chunk in range(chunks)]
    whole = (ctypes.c_int32 * (starts[-1] + words)).from_address(address)
    memory = torch.frombuffer(whole, dtype=torch.int32)
    flat = torch.cat([memory[start : start + words] for start in starts]).view(dtype)[:size]
    return flat.view(-1, blocks * LANES) if blocks else flat


def require_parts(grid, table, parts, hashes, longest, zero, partials, whole, energies, **compiled):
    """Hold that the parts are all runs of all tensors, each once, and that what is to be filled has room."""
    expected = [
        (place, run)
        for place, row in enumerate(table.tolist())
        for run in range(0, -(-row[1] // GROUPS), compiled["PART"])
    ]
    assert list(map(tuple, parts.tolist())) == expected
    assert grid == (3 * len(expected),)
    assert len(partials) == len(expected)
    assert zero == 0
    assert [row[8] for row in table.tolist()] == [expected.index((place, 0)) for place in range(len(table))]
    assert sum(row[1] for row in table.tolist()) == len(energies)
    # Whole parts, and what is on its way for a turn after them.
    assert longest * GROUPS == hashes.shape[1]
    assert longest >= max(row[9] for row in table.tolist()) * compiled["PART"] + compiled["RUNS"]
    assert not whole.any()


def finish_by_definition(grid, table, partials, whole, energies, figures, elements, seed, **compiled):
    dtype = DTYPES[compiled["HALF"]]
    assert seed == RECIPE.seeds.element
    assert grid[1] == len(table)
    for row in table.tolist():
        read, place = read_plain(row_as_said(row, dtype), RECIPE), row[3]
        assert grid[0] >= 12 + compiled["COUNTED"] + row[4] / 8
        figures[place, :BUCKETS] = read.buckets.flatten()
        figures[place, BUCKETS : BUCKETS + 32] = read.positions
        figures[place, BUCKETS + 32 :][: row[4]] = read.channels
        whole[place, :BUCKETS] = read.checks.flatten().int()
        whole[place, BUCKETS + 1 : BUCKETS + 256] = read.exponents[1:].int()
        whole[place, -2] = read.largest.float().view(torch.int32)
        whole[place, -1] = bool(read.nonfinite.any()) or read.largest.item() > 1e19
        kept = read.elements.view(torch.int32 if dtype == torch.float32 else torch.int16)
        elements[place, : len(kept)] = kept


@pytest.fixture
def reads_of(monkeypatch):
    """Give what makes `FusedReads` of a size, on the CPU, on kernels that follow the definition."""
    own = SimpleNamespace(read_kernel=Kernel(require_parts), finish_kernel=Kernel(finish_by_definition))
    monkeypatch.setitem(sys.modules, "parity.sketch.kernels", own)
    monkeypatch.delitem(sys.modules, "parity.sketch.fused", raising=False)
    monkeypatch.setattr("parity.sketch.kernels", own, raising=False)
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    made = import_module("parity.sketch.fused").FusedReads
    yield lambda most_bytes=2**40: made(RECIPE, CPU, most_bytes)
    monkeypatch.undo()
    sys.modules.pop("parity.sketch.fused", None)


@pytest.mark.parametrize("most_bytes", [1, 50_000, 2**40])
@pytest.mark.parametrize("dtype", [*DTYPES, torch.int64], ids=str)
def test_a_batch_of_any_size_and_layout_is_read_as_its_tensors_are(dtype, most_bytes, reads_of):
    tensors = a_batch([(3, 5), (1,), (37, 192), (501, 33), (64 * 1536 + 1,), (450, 1024)], dtype)
    reads = reads_of(most_bytes)
    numbers = [reads.ask(tensor) for tensor in tensors]
    found = reads.fetch()
    assert reads.again == frozenset()
    for number, tensor in zip(numbers, tensors, strict=True):
        require_alike(found[number], read_plain(tensor, RECIPE))


def test_tensors_of_several_dtypes_keep_their_numbers(reads_of):
    tensors = [drawn((5, 64), dtype, seed) for seed, dtype in enumerate((*DTYPES, torch.float64, *DTYPES))]
    reads = reads_of()
    assert [reads.ask(tensor) for tensor in tensors] == list(range(len(tensors)))
    for found, tensor in zip(reads.fetch(), tensors, strict=True):
        require_alike(found, read_plain(tensor, RECIPE))


def test_slices_of_the_last_axis_are_read_where_they_lie(reads_of):
    reads, wide = reads_of(), drawn((1, 50, 9, 128), torch.bfloat16)
    for each in (wide[:, :, 3], wide[:, :, 3, 64:], wide):
        reads.ask(each)
    held = reads._held[1].data
    assert [data.data_ptr() for data in held] == [
        wide[:, :, 3].data_ptr(),
        wide[:, :, 3, 64:].data_ptr(),
        wide.data_ptr(),
    ]


@pytest.mark.parametrize("value", [torch.nan, torch.inf, BEYOND_FLOAT32])
def test_what_float32_cannot_add_up_is_to_be_read_again(value, reads_of):
    reads, other = reads_of(), drawn((70, 64), torch.float32)
    reads.ask(other.clone())
    other[69, 63] = value
    reads.ask(other)
    reads.fetch()
    assert reads.again == {1}


def test_a_tensor_that_is_written_to_while_it_is_held_is_to_be_read_again(reads_of):
    reads, tensor = reads_of(), drawn((70, 64), torch.bfloat16)
    reads.ask(tensor.clone())
    reads.ask(tensor)
    tensor[0, 0] = 7.0
    reads.fetch()
    assert reads.again == {1}


@pytest.mark.parametrize("parts", [1, 15, 16, 17])
def test_hashes_reach_beyond_the_last_part(parts, reads_of):
    reads, fused = reads_of(), sys.modules["parity.sketch.fused"]
    batch = fused._Batch(rows=[(0, 0, 0, 0, 0, 0, parts)])
    assert reads._hashes(batch).shape[1] // GROUPS >= parts * fused._PART + fused._WARPS
