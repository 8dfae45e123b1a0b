"""Tensors in dumps are compared as they are read, in pieces, with the result that live ones give."""

import pytest
import torch
from store_cases import FORMATS, record

from parity.metrics import CompareOptions, compare
from parity.store import Dump


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32])
@pytest.mark.parametrize("threads", [1, 3])
def test_stored_tensors_compare_as_live_ones_do(tmp_path, monkeypatch, suffix, dtype, threads):
    generator = torch.Generator().manual_seed(0)
    sides = [(torch.randn(30, 7, 50, generator=generator) * 9).to(dtype) for _ in range(2)]
    options = CompareOptions(chunk_elements=1000, threads=threads)
    expected = compare(*sides, options)
    paths = [record(tmp_path / f"{name}{suffix}", {"x": side}) for name, side in zip("ab", sides, strict=True)]
    with Dump.open(paths[0]) as left, Dump.open(paths[1]) as right:
        sources = left.source("x"), right.source("x")
        lengths = []
        for source in sources:
            read = source.read
            monkeypatch.setattr(source, "read", lambda a, b, read=read: (lengths.append(b - a), read(a, b))[1])
        assert repr(compare(*sources, options)) == repr(expected)
        assert repr(compare(sources[0], sides[1], options)) == repr(expected)
    assert max(lengths) == 1000
    assert sum(lengths) == 3 * 30 * 7 * 50
