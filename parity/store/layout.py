"""What both formats keep besides the blobs: the index of names, the manifest, and the seal over the two."""

import hashlib
import re
from dataclasses import dataclass, field

import torch

from parity.store import strict_json
from parity.store.bits import STORED_DTYPES, BlobSpec, dtype_name
from parity.store.manifest import Manifest
from parity.store.refusal import refusing, shown, unreadable

FORMAT_NAME = "parity-dump"
FORMAT_VERSION = "1"

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass
class Index:
    """Names, in the order recorded, each with its content hash; and contents, each with dtype and shape."""

    names: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, BlobSpec] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of all contents, each counted once."""
        return sum(spec.nbytes for spec in self.blobs.values())

    def to_json(self) -> dict[str, object]:
        """Return the index as plain JSON values."""
        blobs = {sha: {"dtype": dtype_name(spec.dtype), "shape": list(spec.shape)} for sha, spec in self.blobs.items()}
        return {"names": self.names, "blobs": blobs}

    @staticmethod
    def from_json(where: str, value: object) -> "Index":
        """Read an index back; BadInputError where a name refers to no blob, or a blob belongs to no name."""
        parts = _record(where, value, {"names", "blobs"})
        blobs = {sha: _blob(where, sha, spec) for sha, spec in _record(where, parts["blobs"]).items()}
        names: dict[str, str] = {}
        for name, sha in _record(where, parts["names"]).items():
            if not isinstance(sha, str) or sha not in blobs:
                raise unreadable(where, f"name {shown(name)} refers to the missing blob {shown(sha)}")
            names[name] = sha
        for sha in blobs.keys() - set(names.values()):
            raise unreadable(where, f"blob {sha} has no name")
        return Index(names, blobs)


@dataclass(frozen=True)
class Sealed:
    """The manifest and the index as written, and the hash which says that both are whole."""

    manifest: bytes
    index: bytes
    seal: str

    @staticmethod
    def over(where: str, manifest: Manifest, index: Index) -> "Sealed":
        """Encode and seal the two."""
        manifest_json = strict_json.encode(f"{where} manifest", manifest.to_json())
        index_json = strict_json.encode(f"{where} index", index.to_json())
        return Sealed(manifest_json, index_json, _seal(manifest_json, index_json))

    def opened(self, where: str) -> tuple[Manifest, Index]:
        """Check the seal and decode the two; BadInputError for whatever does not hold together."""
        if self.seal != _seal(self.manifest, self.index):
            raise unreadable(where, "the seal does not match the manifest and the index")
        manifest = Manifest.from_json(strict_json.decode(f"{where} manifest", self.manifest))
        index = Index.from_json(f"{where} index", strict_json.decode(f"{where} index", self.index))
        if manifest.tap_count != len(index.names):
            raise unreadable(where, f"{len(index.names)} names where the manifest counts {manifest.tap_count}")
        return manifest, index


def _seal(manifest: bytes, index: bytes) -> str:
    digest = hashlib.sha256(f"{FORMAT_NAME} {FORMAT_VERSION} {len(manifest)} {len(index)}\n".encode("ascii"))
    digest.update(manifest)
    digest.update(index)
    return digest.hexdigest()


def _record(where: str, value: object, keys: set[str] | None = None) -> dict[str, object]:
    if not isinstance(value, dict):
        raise unreadable(where, f"{shown(value)} in place of an object")
    if keys is not None and value.keys() != keys:
        raise unreadable(where, f"keys {shown(sorted(value))} in place of {sorted(keys)}")
    return value


def _blob(where: str, sha: str, value: object) -> BlobSpec:
    record = _record(where, value, {"dtype", "shape"})
    name, shape = record["dtype"], record["shape"]
    if _HEX.fullmatch(sha) is None:
        raise unreadable(where, f"blob {shown(sha)} is not named by a sha256")
    if not isinstance(name, str) or name not in STORED_DTYPES:
        raise unreadable(where, f"blob {sha} has the unknown dtype {shown(name)}")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise unreadable(where, f"blob {sha} has the impossible shape {shown(shape)}")
    spec = BlobSpec(STORED_DTYPES[name].torch_dtype, tuple(shape))
    with refusing(where, f"blob {sha} of shape {shown(shape)}"):
        # Sizes that torch cannot index must not get past the opening, not even with no elements behind them.
        torch.empty(spec.shape, dtype=spec.dtype, device="meta")
    return spec
