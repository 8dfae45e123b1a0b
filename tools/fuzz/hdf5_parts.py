"""HDF5, by its objects: links and storage that lead out of the file, filters, references, and other kinds of data."""

import contextlib
import io
from collections.abc import Callable
from random import Random
from typing import Any

import h5py
import numpy as np

from fuzz.safetensors_parts import resealed

_OUT = ("/etc/passwd", "../elsewhere.h5", "elsewhere.h5", ".")


def _some(random: Random, file: Any) -> tuple[Any, str]:
    """Choose an object, as the group that holds it and its name."""
    blobs = file.get("blobs")
    if isinstance(blobs, h5py.Group) and len(blobs) and random.random() < 0.6:
        return blobs, random.choice(sorted(blobs))
    return file, random.choice(sorted(file) or ["names"])


def _lose(random: Random, file: Any) -> None:
    group, name = _some(random, file)
    if name in group:
        del group[name]


def _add(random: Random, file: Any) -> None:
    group, _ = _some(random, file)
    name = random.choice(("f" * 64, "more", "..", "a b", "\N{SNOWMAN}"))
    group.require_group(name) if random.random() < 0.5 else group.create_dataset(name, data=np.zeros(3))


def _link(random: Random, file: Any) -> None:
    group, name = _some(random, file)
    target = random.choice(_OUT)
    kept = group[name]
    del group[name]
    group[name] = random.choice(
        (
            h5py.SoftLink(random.choice(("/names", "/blobs", f"/{name}", "/nowhere", "."))),
            h5py.ExternalLink(target, "/names"),
            file.get("blobs", kept),
        )
    )


def _stored_elsewhere(group: Any, name: str, data: Any) -> Any:
    return group.create_dataset(name, data.shape, data.dtype, external=[("elsewhere.bin", 0, max(1, data.nbytes))])


def _virtual(group: Any, name: str, data: Any) -> Any:
    layout = h5py.VirtualLayout(data.shape, data.dtype)
    layout[:] = h5py.VirtualSource("elsewhere.h5", "/x", data.shape)
    return group.create_virtual_dataset(name, layout)


def _filtered(group: Any, name: str, data: Any) -> Any:
    return group.create_dataset(name, data=data, chunks=data.shape, compression="lzf", shuffle=True, fletcher32=True)


def _zeros_that_are_not_there(group: Any, name: str, data: Any) -> Any:
    return group.create_dataset(name, (2**40,), data.dtype, chunks=(2**16,), compression="gzip")


def _one_huge_chunk(group: Any, name: str, data: Any) -> Any:
    return group.create_dataset(name, data.shape, data.dtype, chunks=(2**28,), maxshape=(None,), compression="gzip")


def _bomb(group: Any, name: str, data: Any) -> Any:
    return group.create_dataset(name, data=np.zeros(2**22, data.dtype), chunks=(2**22,), compression="gzip")


_KINDS: tuple[Callable[[Any, str, Any], Any], ...] = (
    _stored_elsewhere,
    _virtual,
    _filtered,
    _zeros_that_are_not_there,
    _one_huge_chunk,
    _bomb,
    lambda group, name, data: group.create_dataset(name, data.shape, h5py.vlen_dtype(np.uint8)),
    lambda group, name, data: group.create_dataset(name, data.shape, h5py.ref_dtype),
    lambda group, name, data: group.create_dataset(name, data.shape, h5py.regionref_dtype),
    lambda group, name, data: group.create_dataset(name, data.shape, h5py.string_dtype()),
    lambda group, name, data: group.create_dataset(name, data.shape, [("a", "<f4"), ("b", h5py.vlen_dtype("u1"))]),
    lambda group, name, data: group.create_dataset(name, data.shape, h5py.enum_dtype({"A": 1}, basetype="u1")),
    lambda group, name, data: group.create_dataset(name, data.shape, np.dtype(("<f4", (2, 2)))),
    lambda group, name, data: group.create_dataset(name, data.shape, np.dtype("V7")),
    lambda group, name, data: group.create_dataset(name, data=data.astype(data.dtype.newbyteorder())),
    lambda group, name, data: group.create_dataset(name, data=data[:-1]),
    lambda group, name, data: group.create_dataset(name, data=data, maxshape=(None,), chunks=True),
    lambda group, name, data: group.create_dataset(name, data=data.reshape(1, -1)),
    lambda group, name, data: group.create_dataset(name, data=h5py.Empty(data.dtype)),
    lambda group, name, data: group.create_dataset(name, data=data, shuffle=True, chunks=True),
    lambda group, name, data: group.create_dataset(name, data=data, fillvalue=7),
)


def _replace(random: Random, file: Any) -> None:
    group, name = _some(random, file)
    old = group[name]
    if not isinstance(old, h5py.Dataset) or not old.size:
        return _lose(random, file)
    data, marks = old[...], dict(old.attrs)
    del group[name]
    fresh = random.choice(_KINDS)(group, name, data)
    for key, value in marks.items():
        fresh.attrs[key] = value
    return None


def _mark(random: Random, file: Any) -> None:
    group, name = _some(random, file)
    owner = file if random.random() < 0.4 or name not in group else group[name]
    key = random.choice([*owner.attrs, "more", "seal"])
    if key in owner.attrs:
        del owner.attrs[key]
    values = ("text", np.bytes_(b"1"), np.bytes_(b"[1]"), np.bytes_(b"\xff"), 1, [1, 2], file.ref, h5py.Empty("S1"))
    if random.random() < 0.8:
        value = random.choice(values)
        owner.attrs.create(key, value, dtype=h5py.ref_dtype if value is file.ref else None)


def _forge(random: Random, file: Any) -> None:
    texts = {name: bytes(file[name][...]).decode("utf-8") for name in ("manifest", "names")}
    sealed = resealed(random, texts["manifest"], texts["names"])
    for name, raw in (("manifest", sealed.manifest), ("names", sealed.index)):
        del file[name]
        file.create_dataset(name, data=np.frombuffer(raw, np.uint8))
    file.attrs["seal"] = np.bytes_(sealed.seal)


def _mutation(change: Callable[[Random, Any], None]) -> Callable[[Random, bytes], bytes]:
    def mutate(random: Random, raw: bytes) -> bytes:
        memory = io.BytesIO(raw)
        # A second change may find gone, or of another rank, what it would change.
        gone = contextlib.suppress(AttributeError, KeyError, ValueError, TypeError, OSError, RuntimeError, MemoryError)
        with h5py.File(memory, "r+", locking=False) as file, gone:
            for _ in range(random.choice((1, 1, 2))):
                change(random, file)
        return memory.getvalue()

    return mutate


def forged(random: Random, raw: bytes) -> bytes:
    """Change manifest or index, and seal them anew."""
    return _mutation(_forge)(random, raw)


structure = tuple(_mutation(change) for change in (_lose, _add, _link, _replace, _replace, _replace, _mark))
