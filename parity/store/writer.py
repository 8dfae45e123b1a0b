"""Recording a dump: contents go to a partial file, which becomes the dump only when it is whole."""

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from parity.errors import BadInputError
from parity.store.backend import BlobSink, open_sink, require_suffix
from parity.store.bits import STORED_DTYPES, BlobSpec, ContentHasher, dtype_name, raw_bytes
from parity.store.layout import Index, Sealed
from parity.store.manifest import DroppedTap, Manifest
from parity.store.partial import PartialFile
from parity.store.refusal import one_line, shown


@dataclass(frozen=True)
class WriteLimits:
    """How much a dump may hold: `max_bytes` of distinct contents, or no limit when None."""

    max_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.max_bytes is not None and (type(self.max_bytes) is not int or self.max_bytes < 0):
            raise BadInputError("WriteLimits.max_bytes", shown(self.max_bytes), "a count or None", "correct it")


class DumpWriter:
    """A context in which tensors are recorded; leaving it whole publishes the file, else nothing changes.

    The suffix of `path` chooses HDF5 (`.h5`) or safetensors (`.safetensors`); `compression` is a gzip level
    for HDF5. Only one writer may be at work on a target: the second raises BadInputError on entry.
    """

    def __init__(self, path: Path | str, limits: WriteLimits | None = None, compression: int | None = None):
        self._path = Path(path)
        self._limits = limits or WriteLimits()
        self._compression = compression
        self._index = Index()
        self._stored_bytes = 0
        self._dropped: dict[str, DroppedTap] = {}
        self._manifest: Manifest | None = None
        self._sink: BlobSink | None = None
        self._fault: str | None = None

    def __enter__(self) -> Self:
        if self._sink is not None or self._fault is not None:
            raise self._refusal("a writer entered twice", "one use of each writer", "make another")
        require_suffix(self._path)
        if self._path.is_dir() or not self._path.parent.is_dir():
            got = "a directory" if self._path.is_dir() else "no such folder"
            raise self._refusal(got, "a file in a folder that exists", "choose another target")
        self._partial = PartialFile(self._path)
        try:
            self._partial.claim()
        except OSError as error:
            raise self._refusal(one_line(error), "a folder that can be written", "see to it") from error
        self._open_sink()
        return self

    def write(self, name: str, tensor: torch.Tensor) -> bool:
        """Record `tensor` under `name`, bit for bit; return False if the byte limit left it out.

        A content that is already stored is only referred to, and costs nothing of the limit. Raises
        BadInputError for a name used before, for a tensor that has no stored form, and for a failing disk.
        """
        sink = self._ready()
        self._check_name(name)
        spec, raw = self._spec(name, tensor), raw_bytes(tensor)
        hasher = ContentHasher(spec.dtype, spec.shape)
        hasher.update(raw)
        sha = hasher.hexdigest()
        if sha not in self._index.blobs:
            if not self._fits(name, spec):
                return False
            self._put(sink, sha, spec, raw)
        self._index.names[name] = sha
        return True

    def set_manifest(self, manifest: Manifest) -> None:
        """Set the manifest; closing the dump counts `tap_count` and adds what the limits left out."""
        self._ready()
        self._manifest = manifest

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sink, self._sink = self._sink, None
        fault, self._fault = self._fault, "the writer was closed"
        try:
            if kind is None and sink is not None:
                self._finish(sink, fault)
        finally:
            # What was published is closed, and nothing is left to discard; what failed may fail once more.
            try:
                with suppress(OSError, RuntimeError):
                    if sink is not None:
                        sink.close()
            finally:
                self._partial.discard()

    def _put(self, sink: BlobSink, sha: str, spec: BlobSpec, raw: NDArray[np.uint8]) -> None:
        # A blob may lie half written after a failure: even a caller that carries on must not publish it.
        self._fault = f"writing blob {sha} failed"
        try:
            sink.put(sha, spec, raw)
        except (OSError, RuntimeError) as error:
            raise self._refusal(one_line(error), "room and leave to write", "see to it and record again") from error
        self._fault = None
        self._index.blobs[sha] = spec
        self._stored_bytes += spec.nbytes

    def _finish(self, sink: BlobSink, fault: str | None) -> None:
        if fault is not None:
            raise self._refusal(fault, "every tensor written whole", "record again")
        if self._manifest is None:
            raise self._refusal("no manifest", "set_manifest before the end", "set it and record again")
        dropped = (*self._manifest.dropped, *self._dropped.values())
        manifest = replace(self._manifest, tap_count=len(self._index.names), dropped=dropped)
        try:
            sink.finish(self._index, Sealed.over(str(self._path), manifest, self._index))
            self._partial.publish()
        except (OSError, RuntimeError) as error:
            raise self._refusal(one_line(error), "room and leave to write", "see to it and record again") from error

    def _open_sink(self) -> None:
        try:
            self._sink = open_sink(self._path, self._partial.path, self._partial.spool, self._compression)
        except BaseException as error:
            self._partial.discard()
            if isinstance(error, OSError):
                raise self._refusal(one_line(error), "a folder that can be written", "see to it") from error
            raise

    def _ready(self) -> BlobSink:
        if self._sink is None or self._fault is not None:
            raise self._refusal(self._fault or "a writer that was not entered", "an open one", "use `with`")
        return self._sink

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str):
            raise self._refusal(f"the name {shown(name)}", "text", "rename the tap")
        if name in self._index.names or name in self._dropped:
            raise self._refusal(f"the name {shown(name)} twice", "each name once", "number the calls of a tap")
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            raise self._refusal(f"the name {shown(name)}", "text that UTF-8 can hold", "rename the tap") from None

    def _spec(self, name: str, tensor: torch.Tensor) -> BlobSpec:
        if not isinstance(tensor, torch.Tensor) or dtype_name(tensor.dtype) not in STORED_DTYPES:
            got = getattr(tensor, "dtype", type(tensor).__name__)
            raise self._refusal(f"{shown(name)} is {got}", "a tensor of a stored dtype", "view it as one")
        return BlobSpec(tensor.dtype, tuple(tensor.shape))

    def _fits(self, name: str, spec: BlobSpec) -> bool:
        limit = self._limits.max_bytes
        if limit is None or self._stored_bytes + spec.nbytes <= limit:
            return True
        reason = f"byte limit: {self._stored_bytes} + {spec.nbytes} > {limit}"
        self._dropped[name] = DroppedTap(name, reason)
        return False

    def _refusal(self, got: str, expected: str, next_step: str) -> BadInputError:
        return BadInputError(str(self._path), got, expected, next_step)
