"""A pass in figures alone: the fingerprint of every tap, and no tensor kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from parity.capture import Selection
from parity.errors import BadInputError
from parity.metrics import Fingerprint, Fingerprints, codec, fingerprints
from parity.run.forward import Forward, Implementation, watch
from parity.store import DroppedTap, Manifest, seal, strict_json
from parity.store.partial import PartialFile

SCHEMA = "ltx-parity/statistics/2"
SUFFIX = ".json"
_KEYS = {"schema", "manifest", "taps", seal.KEY}
_NEXT = "capture with --statistics again"


@dataclass
class StatisticsVisitor:
    """Takes the fingerprint of each tap that is selected; `names` are those, None: all, uncut."""

    selection: Selection = field(default_factory=Selection)
    names: frozenset[str] | None = None
    taken: Fingerprints = field(default_factory=fingerprints)
    cut: list[DroppedTap] = field(default_factory=list)

    def visit(self, name: str, tensor: Tensor) -> None:
        """Take what is selected of the tensor."""
        if self.names is not None and name not in self.names:
            return
        part = self.selection.cut(tensor)
        if part.shape != tensor.shape:
            self.cut.append(DroppedTap(name, f"first {part.shape[1]} of {tensor.shape[1]} tokens"))
        self.taken.add(name, part)


@dataclass(frozen=True)
class Statistics:
    """What was captured: where it comes from, and the fingerprint of each tap by name, in the order reached."""

    manifest: Manifest
    taps: Mapping[str, Fingerprint]


def take_statistics(implementation: Implementation, forward: Forward, visitor: StatisticsVisitor) -> None:
    """Run one pass and let the visitor see every tap; the errors are those of `observe`."""
    watch(implementation, forward, visitor)


def write_statistics(found: Statistics, path: Path) -> None:
    """Write a JSON document; the file appears whole, or what was there stays.

    BadInputError for another suffix than .json, or where the folder cannot be written to.
    """
    require_suffix(path)
    taps = {name: codec.encode(tap) for name, tap in found.taps.items()}
    document = {"schema": SCHEMA, "manifest": found.manifest.to_json(), "taps": taps}
    content = seal.encoded(document, str(path)) + b"\n"
    partial = PartialFile(path)
    try:
        partial.claim()
        try:
            partial.path.write_bytes(content)
            partial.publish()
        finally:
            partial.discard()
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise BadInputError(str(path), got, "a file in a folder that can be written to", "check the path") from error


def read_statistics(path: Path) -> Statistics:
    """Read what `write_statistics` wrote; BadInputError in one line for anything else."""
    require_suffix(path)
    try:
        document = strict_json.decode(str(path), path.read_bytes())
    except OSError as error:
        got = error.strerror or type(error).__name__
        raise BadInputError(str(path), got, "a document of statistics", "check the path") from error
    if not isinstance(document, dict) or document.keys() != _KEYS or document["schema"] != SCHEMA:
        raise BadInputError(str(path), "another document", SCHEMA, _NEXT)
    manifest, taps = Manifest.from_json(document["manifest"]), _taps(document["taps"], path)
    if manifest.tap_count != len(taps):
        raise BadInputError(str(path), f"{len(taps)} taps", f"{manifest.tap_count}, as its manifest says", _NEXT)
    seal.require_seal(document, str(path), _NEXT)
    return Statistics(manifest, taps)


def require_suffix(path: Path) -> None:
    """Refuse a path that would be taken for a dump of tensors."""
    if path.suffix != SUFFIX:
        raise BadInputError(str(path), f"suffix {path.suffix!r}", f"{SUFFIX} for statistics", "rename it")


def _taps(value: Any, path: Path) -> dict[str, Fingerprint]:
    if not isinstance(value, dict):
        raise BadInputError(str(path), f"taps: a {type(value).__name__}", "an object", _NEXT)
    return {name: Fingerprint.from_json(tap, f"{path}: {name}") for name, tap in value.items()}
