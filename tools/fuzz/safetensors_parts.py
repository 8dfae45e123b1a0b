"""Safetensors, by its parts: the length, the header, JSON within the header, and the numbers."""

import hashlib
import json
from random import Random
from typing import Any

from fuzz import content, json_text
from parity.store.layout import FORMAT_NAME, FORMAT_VERSION, Sealed

_LENGTH = 8


def split(raw: bytes) -> tuple[str, bytes]:
    """Give the header and the data of a whole file."""
    length = int.from_bytes(raw[:_LENGTH], "little")
    return raw[_LENGTH : _LENGTH + length].decode("utf-8"), raw[_LENGTH + length :]


def joined(header: str, data: bytes) -> bytes:
    """Put a file together whose length field is true."""
    encoded = header.encode("utf-8", "surrogatepass")
    return len(encoded).to_bytes(_LENGTH, "little") + encoded + data


def header(random: Random, raw: bytes) -> bytes:
    """Change the header's structure, and say its new length."""
    text, data = split(raw)
    return joined(json_text.mutated(random, text), data)


def nested(random: Random, raw: bytes) -> bytes:
    """Change the structure of a JSON text that the metadata holds."""
    text, data = split(raw)
    document: Any = json.loads(text)
    metadata = document.get("__metadata__", {})
    names = [name for name, value in metadata.items() if value.startswith("{")]
    if not names:
        return header(random, raw)
    name = random.choice(names)
    metadata[name] = json_text.mutated(random, metadata[name])
    return joined(json.dumps(document), data)


def data(random: Random, raw: bytes) -> bytes:
    """Change numbers alone."""
    text, values = split(raw)
    return joined(text, random.choice((content.flip, content.overwrite, content.move))(random, values))


def shuffled(random: Random, raw: bytes) -> bytes:
    """Say that some tensor lies elsewhere, is of another shape or dtype, or overlaps another."""
    text, values = split(raw)
    document: Any = json.loads(text)
    entries = [entry for name, entry in document.items() if name != "__metadata__"]
    if entries:
        entry, other = random.choice(entries), random.choice(entries)
        odd = (0, 1, len(values), len(values) + 1, 2**31, 2**63, 2**64, -1)
        kind = random.randrange(4)
        if kind == 0:
            entry["data_offsets"] = other["data_offsets"]
        elif kind == 1:
            entry["data_offsets"][random.randrange(2)] = random.choice(odd)
        elif kind == 2:
            entry["shape"] = random.choice(([], [0], [-1], [2**32, 2**32], [1] * 70, entry["shape"][::-1], [2**63]))
        else:
            entry["dtype"] = random.choice(("F64", "F32", "BF16", "I32", "BOOL", "F8_E4M3", "F4", "C64", "X", ""))
    return joined(json.dumps(document), values)


def forged(random: Random, raw: bytes) -> bytes:
    """Change what a dump says of itself, and seal it anew: a file that somebody made with intent."""
    text, values = split(raw)
    document: Any = json.loads(text)
    sealed = resealed(random, document["__metadata__"]["manifest"], document["__metadata__"]["index"])
    document["__metadata__"] |= {
        "manifest": sealed.manifest.decode("utf-8", "replace"),
        "index": sealed.index.decode("utf-8", "replace"),
        "seal": sealed.seal,
    }
    return joined(json.dumps(document), values)


def resealed(random: Random, manifest: str, index: str) -> Sealed:
    """Change the manifest or the index, and seal both."""
    if random.random() < 0.5:
        manifest = json_text.mutated(random, manifest)
    else:
        index = json_text.mutated(random, index)
    pair = manifest.encode("utf-8", "replace"), index.encode("utf-8", "replace")
    # Computed as a forger would, from what the docs say.
    head = f"{FORMAT_NAME} {FORMAT_VERSION} {len(pair[0])} {len(pair[1])}\n".encode("ascii")
    return Sealed(*pair, hashlib.sha256(head + pair[0] + pair[1]).hexdigest())
