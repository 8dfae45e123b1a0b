"""Reading a dump: names to exact tensors, whole or in slices, and no bit that its hash does not vouch for."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import torch

from parity.errors import BadInputError, IncompleteError
from parity.store.backend import BlobFile, open_file
from parity.store.bits import BlobSpec, ContentHasher, raw_bytes
from parity.store.layout import Index
from parity.store.manifest import Manifest
from parity.store.refusal import refusing, shown, unreadable

TENSORS = "tensors"
"""The kind of a dump that says nothing of its kind: the taps themselves."""

_PROOF_BYTES = 2**24


@dataclass(frozen=True)
class Entry:
    """What is stored under one name; `nbytes` counts the content itself, `sha256` is its content hash."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    sha256: str
    nbytes: int


class DumpSource:
    """One stored tensor, read by slices of its flat row-major elements."""

    def __init__(self, where: str, file: BlobFile, entry: Entry, stamp: tuple[int, int]):
        self.shape = entry.shape
        self.dtype = entry.dtype
        self._where, self._file, self._sha, self._stamp = where, file, entry.sha256, stamp
        self._elements = BlobSpec(entry.dtype, entry.shape).elements

    def read(self, start: int, stop: int) -> torch.Tensor:
        """Return elements [start, stop) as a 1-D tensor of the stored dtype; BadInputError outside of it."""
        if not 0 <= start <= stop <= self._elements:
            expected = f"0 <= start <= stop <= {self._elements}"
            raise BadInputError(self._where, f"the slice [{start}, {stop})", expected, "correct the slice")
        out = torch.empty(stop - start, dtype=self.dtype)
        self._file.fill(self._sha, start, out)
        # The hash was of what was there before.
        if self._file.stamp() != self._stamp:
            raise unreadable(self._where, "it was changed while it was read")
        return out


class Dump:
    """An open dump; make one with `Dump.open`, and close it or use it as a context.

    Opening checks marker, seal, manifest, index and the layout of every blob. The bits of a blob are checked
    against its hash when it is first read, or all at once by `verify`; a file that changes from then on is refused.
    """

    def __init__(self, path: Path, file: BlobFile, manifest: Manifest, index: Index):
        self.path = path
        self.manifest = manifest
        self._file: BlobFile | None = file
        self._stamp = file.stamp()
        self._index = index
        self._proved: set[str] = set()

    @staticmethod
    def open(path: Path | str, kind: str = TENSORS) -> "Dump":
        """Open the dump at `path`; BadInputError in one line for anything that is not a whole dump of that kind."""
        path = Path(path)
        with refusing(path, "opening"):
            if not path.is_file():
                raise unreadable(path, "a directory" if path.is_dir() else "no such file")
        file = open_file(path)
        try:
            manifest, index = file.sealed().opened(str(path))
            file.check(index)
            _require_kind(path, manifest, kind)
            return Dump(path, file, manifest, index)
        except BaseException:
            file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; allowed more than once."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the order recorded."""
        return tuple(self._index.names)

    def entry(self, name: str) -> Entry:
        """Describe what is stored under `name`; IncompleteError if nothing is."""
        if name not in self._index.names:
            raise self._absent(name)
        sha = self._index.names[name]
        spec = self._index.blobs[sha]
        return Entry(spec.shape, spec.dtype, sha, spec.nbytes)

    def read(self, name: str) -> torch.Tensor:
        """Return the tensor stored under `name`, in dtype and shape; BadInputError if a bit has changed."""
        entry = self.entry(name)
        flat = self._source(entry).read(0, BlobSpec(entry.dtype, entry.shape).elements)
        self._prove(entry, iter([flat]))
        return flat.reshape(entry.shape)

    def source(self, name: str) -> DumpSource:
        """Return the tensor under `name` for reading in slices, once its bits have been checked."""
        entry = self.entry(name)
        source = self._source(entry)
        if entry.sha256 not in self._proved:
            self._prove(entry, _pieces(source, entry))
        return source

    def verify(self) -> None:
        """Hash every blob again, whatever was checked before; BadInputError at the first that has changed."""
        one_name_each = {sha: name for name, sha in self._index.names.items()}
        for name in one_name_each.values():
            entry = self.entry(name)
            self._prove(entry, _pieces(self._source(entry), entry))

    def _source(self, entry: Entry) -> DumpSource:
        if self._file is None:
            raise BadInputError(str(self.path), "a closed dump", "an open one", "read before closing it")
        return DumpSource(str(self.path), self._file, entry, self._stamp)

    def _prove(self, entry: Entry, pieces: Iterator[torch.Tensor]) -> None:
        hasher = ContentHasher(entry.dtype, entry.shape)
        for piece in pieces:
            hasher.update(raw_bytes(piece))
        if hasher.hexdigest() != entry.sha256:
            self._proved.discard(entry.sha256)
            raise unreadable(self.path, f"blob {entry.sha256} does not match its hash")
        self._proved.add(entry.sha256)

    def _absent(self, name: str) -> IncompleteError:
        reasons = [tap.reason for tap in self.manifest.dropped if tap.name == name]
        got = f"no tensor named {shown(name)}" + (f" (dropped, {reasons[0]})" if reasons else "")
        return IncompleteError(str(self.path), got, "every tap recorded", "record it again with this tap")


def _pieces(source: DumpSource, entry: Entry) -> Iterator[torch.Tensor]:
    elements = BlobSpec(entry.dtype, entry.shape).elements
    step = _PROOF_BYTES // entry.dtype.itemsize
    for start in range(0, elements, step):
        yield source.read(start, min(start + step, elements))


def _require_kind(path: Path, manifest: Manifest, kind: str) -> None:
    found = manifest.extra.get("kind", TENSORS)
    if found != kind:
        raise BadInputError(
            str(path),
            f"a dump of the kind {shown(found)}",
            f"one of {kind}",
            "give another file, or name it by its kind",
        )
