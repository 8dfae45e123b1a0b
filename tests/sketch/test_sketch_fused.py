"""On a GPU, many tensors are read in one launch, and what is read is what is defined."""

import pytest
import torch
from batch_cases import RECIPE, SHAPES, a_batch, drawn, require_alike

from parity.sketch.plain import read_plain
from parity.sketch.reads import reads_for

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")]

CUDA = torch.device("cuda")


def fused():
    return pytest.importorskip("parity.sketch.fused").FusedReads(RECIPE, CUDA)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64, torch.int64], ids=str)
def test_a_batch_is_read_as_its_tensors_are(dtype):
    tensors = a_batch(SHAPES, dtype)
    reads = fused()
    numbers = [reads.ask(tensor.cuda()) for tensor in tensors]
    found = reads.fetch()
    assert reads.again == frozenset()
    for number, tensor in zip(numbers, tensors, strict=True):
        require_alike(found[number], read_plain(tensor, RECIPE))


def test_the_quickest_reads_of_a_gpu_are_these():
    assert type(reads_for(CUDA, RECIPE)) is type(fused())


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 3e38])
def test_what_float32_cannot_add_up_is_to_be_read_again(value):
    reads, tensor = fused(), drawn((70, 64), torch.float32).cuda()
    reads.ask(tensor)
    other = tensor.clone()
    other[69, 63] = value
    reads.ask(other)
    reads.fetch()
    assert reads.again == {1}


def test_a_tensor_that_is_written_to_while_it_is_held_is_to_be_read_again():
    reads, tensor = fused(), drawn((70, 64), torch.bfloat16).cuda()
    reads.ask(tensor.clone())
    reads.ask(tensor)
    tensor[0, 0] = 7.0
    reads.fetch()
    assert reads.again == {1}


def test_the_same_batch_gives_the_same_bits_twice():
    tensors = [drawn(shape, torch.bfloat16, seed).cuda() for seed, shape in enumerate(SHAPES)]
    both = []
    for _ in range(2):
        reads = fused()
        for tensor in tensors:
            reads.ask(tensor)
        both.append(reads.fetch())
    assert all(torch.equal(a, b) for one, two in zip(*both, strict=True) for a, b in zip(one, two, strict=True))
