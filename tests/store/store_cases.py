"""Tensors, manifests and writer processes which the store's tests have in common."""

import ctypes
import itertools
import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
import torch
from hypothesis import strategies as st

from parity.errors import BadInputError
from parity.store import Dump, DumpWriter, Manifest

FORMATS = (".h5", ".safetensors")
DTYPES = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.bool,
    torch.int64,
    torch.int32,
    torch.uint8,
)

TENSORS = {
    "a": torch.arange(40, dtype=torch.float32),
    "b": torch.arange(12).to(torch.bfloat16).reshape(3, 4),
    "a.again": torch.arange(40, dtype=torch.float32),
}


def manifest(**changes):
    fields = {
        "producer": "port",
        "release": "1.0.0",
        "commit": None,
        "case": "tiny",
        "checkpoint_sha256": "a" * 64,
        "input_sha256": {"latent": "b" * 64},
        "torch_version": "2.13.0",
        "device": "cpu",
        "determinism": {"deterministic_algorithms": True, "num_threads": 1, "matmul": "highest"},
        "seed": 7,
        "dtype": "bfloat16",
        "command": "record --case tiny",
        "created": "2026-01-02T03:04:05+00:00",
        "sizes": {"layers": 2},
        "extra": {"host": "ünïcode"},
    }
    return Manifest(**(fields | changes))


def record(path, tensors, **changes):
    with DumpWriter(path) as writer:
        writer.set_manifest(manifest(**changes))
        for name, tensor in tensors.items():
            writer.write(name, tensor)
    return path


def contents(path):
    with Dump.open(path) as dump:
        dump.verify()
        return dump.manifest, {name: bits(dump.read(name)) for name in dump.names}


def refused(path, match=None):
    with pytest.raises(BadInputError, match=match) as caught, Dump.open(path) as dump:
        dump.verify()
    assert len(str(caught.value).splitlines()) == 1
    return caught.value


def bits(tensor):
    """Take the bytes by a road of their own: straight from memory, not the store's code."""
    flat = torch.empty(tensor.shape, dtype=tensor.dtype)
    flat.copy_(tensor)
    return str(tensor.dtype), tuple(tensor.shape), ctypes.string_at(flat.data_ptr(), flat.nbytes)


@st.composite
def tensors(draw):
    """Draw a tensor of arbitrary bits, dtype, shape (0-d and empty too) and strides."""
    dtype = draw(st.sampled_from(DTYPES))
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    count = torch.Size(shape).numel()
    if dtype is torch.bool:
        flat = torch.tensor(draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=dtype)
    else:
        size = count * dtype.itemsize
        raw = bytearray(draw(st.binary(min_size=size, max_size=size)))
        flat = torch.frombuffer(raw, dtype=dtype) if size else torch.empty(0, dtype=dtype)
    whole = flat.reshape(shape)
    if len(shape) > 1 and draw(st.booleans()):
        whole = whole.transpose(0, -1)
    if shape and draw(st.booleans()):
        whole = whole[::2]
    return whole


FORKSERVER = multiprocessing.get_context("forkserver")
FORKSERVER.set_forkserver_preload(["torch", "parity.store", "store_cases"])


def write_without_end(path: Path, ready: Connection) -> None:
    """Stay inside one recording until killed."""
    with DumpWriter(path) as writer:
        writer.set_manifest(manifest())
        for step in itertools.count():
            writer.write(f"tap.{step}", torch.full((4096,), float(step)))
            if step == 0:
                ready.send("recording")


def publish_without_end(path: Path, ready: Connection) -> None:
    """Record one small dump after the other, each over the last, until killed."""
    for seed in itertools.count():
        record(path, {f"tap.{k}": torch.full((512,), seed * 100 + k) for k in range(5)}, seed=seed)
        if seed == 0:
            ready.send("recording")


def started(target, path):
    """Start a writer process and wait until it is at work."""
    mine, theirs = FORKSERVER.Pipe(duplex=False)
    process = FORKSERVER.Process(target=target, args=(path, theirs), daemon=True)
    process.start()
    theirs.close()
    assert mine.poll(60), "the writer process never began"
    assert mine.recv() == "recording"
    mine.close()
    return process
