"""Dumps on disk: tensors by name and a manifest in one file, sealed and published whole or not at all."""

from parity.store.bits import content_hash
from parity.store.conversion import convert
from parity.store.dump import Dump, DumpSource, Entry
from parity.store.manifest import SCHEMA_VERSION, DroppedTap, Manifest
from parity.store.writer import DumpWriter, WriteLimits

__all__ = [
    "SCHEMA_VERSION",
    "DroppedTap",
    "Dump",
    "DumpSource",
    "DumpWriter",
    "Entry",
    "Manifest",
    "WriteLimits",
    "content_hash",
    "convert",
]
