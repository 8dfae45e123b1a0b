"""The files by which a port in another language is told of its inputs, and tells of what it computed."""

import ast
import hashlib
import json
import tomllib
from pathlib import Path
from random import Random
from typing import Any, Literal

import numpy as np

from fuzz import content, foreign_seeds, json_text, safetensors_parts, toml_text
from fuzz.case import Reader
from fuzz.port_files import tensors_say
from fuzz.sayings import same_document
from parity.cli import main as parity_main
from parity.foreign.files import IDENTITY_KEY, ForeignFile
from parity.foreign.inputs_manifest import InputsManifest
from parity.foreign.mapping import TapMapping
from parity.store.bits import STORED_DTYPES, raw_bytes

_JSON = (json_text.mutation,) * 6 + content.ANY_BYTES[::2]
_TOML = (toml_text.mutation,) * 10 + content.ANY_BYTES[::2]
_SAFETENSORS = (safetensors_parts.header, safetensors_parts.shuffled, safetensors_parts.data)
_NAMES = {stored.torch_dtype: stored.safetensors for stored in STORED_DTYPES.values()}
_MAGIC = b"\x93NUMPY\x01\x00"


def _told(descr: str, shape: str, fortran: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}}}"


_HEADERS = (
    *(
        "(",
        "[" * 500,
        "[" * 9000,
        "-" * 9000,
        "{}",
        "None",
        "1e999",
        "__import__('os')",
        "\N{SNOWMAN}",
        "{1: 2, 'a': 3}",
    ),
    *(
        _told(descr, "(12,)")
        for descr in ("'|O'", "'<U1'", "'V4'", "3", "[('a', '<f4')]", "('<f4', (2,))", "'>f4'", "'<f8'")
    ),
    *(
        _told("'<f4'", shape)
        for shape in ("(-12,)", "12", "(2**62,)", "(True, 12)", "(3, 4)", "()", "(%d,)", "(0, %d)")
    ),
    *(_told("'<f4'", "(3, 4)", order) for order in ("True", "1", "None")),
)


def _tensors(path: Path) -> Any:
    with ForeignFile.open(path) as file:
        found = {}
        for name in file.names:
            tensor = file.read(name)
            assert file.spec(name) == (tensor.dtype, tuple(tensor.shape)), "another tensor than was told"
            digest = hashlib.sha256(raw_bytes(tensor).tobytes()).hexdigest()
            found[name] = _NAMES[tensor.dtype], tuple(tensor.shape), digest
        return {"tensors": found, "identity": file.identity}


def _tensors_say(raw: bytes, found: Any) -> bool:
    header, _ = safetensors_parts.split(raw)
    metadata = json.loads(header).get("__metadata__", {})
    return tensors_say(raw, found) and metadata.get(IDENTITY_KEY) == found["identity"]


def _array_says(raw: bytes, found: Any) -> bool:
    if not raw.startswith(b"\x93NUMPY"):
        # The identity beside the arrays, which is text.
        return bool(raw.decode().strip() == found["identity"])
    begin = 10 if raw[6] == 1 else 12
    end = begin + int.from_bytes(raw[8:begin], "little")
    told = ast.literal_eval(raw[begin:end].decode("latin1"))
    order: Literal["F", "C"] = "F" if told["fortran_order"] else "C"
    array = np.frombuffer(raw[end:], told["descr"]).reshape(told["shape"], order=order)
    native = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
    ((_, shape, digest),) = found["tensors"].values()
    return bool(shape == array.shape and digest == hashlib.sha256(native.tobytes()).hexdigest())


def _header(random: Random, raw: bytes) -> bytes:
    """Put another header before an array."""
    if not raw.startswith(_MAGIC):
        return content.flip(random, raw)
    length = int.from_bytes(raw[8:10], "little")
    text = random.choice((*_HEADERS, raw[10 : 10 + length].decode("latin1").replace("12", str(random.randrange(30)))))
    encoded = (text % random.choice((12, 11, 13, 10**12, 2**62, 2**70)) if "%d" in text else text).encode()
    if random.random() < 0.2:
        return b"\x93NUMPY\x02\x00" + len(encoded).to_bytes(4, "little") + encoded + raw[10 + length :]
    return _MAGIC + len(encoded).to_bytes(2, "little") + encoded + raw[10 + length :]


def _manifest_says(raw: bytes, found: Any) -> bool:
    return same_document(raw.decode(), found)


def _mapping_says(raw: bytes, found: TapMapping) -> bool:
    document = tomllib.loads(raw.decode())
    exempt = [(one.reason, list(one.patterns)) for one in (*found.skipped, *found.ignored)]
    told = [
        (table["reason"], [table[key]] if isinstance(table[key], str) else table[key])
        for name, key in (("skip", "taps"), ("ignore", "from"))
        for table in document.get(name, [])
    ]
    covers = document.get("covers", ["*"])
    return bool(
        exempt == told
        and list(found.covers) == ([covers] if isinstance(covers, str) else covers)
        and found.unsigned == document.get("unsigned")
        and all(_entry_says(table, number, found) for number, table in enumerate(document["tap"], start=1))
    )


def _entry_says(table: dict[str, Any], number: int, found: TapMapping) -> bool:
    own = [entry for entry in found.entries if entry.at.endswith(f": entry {number}")]
    sources = table["from"] if isinstance(table["from"], list) else [table["from"]]
    return bool(own) and all(
        (entry.shared, entry.confidence) == (table.get("shared"), table.get("confidence"))
        and len(entry.sources) == len(sources)
        and len(entry.steps) == len(table.get("steps", []))
        and all(len(a.steps) == len(_steps(b)) for a, b in zip(entry.sources, sources, strict=True))
        for entry in own
    )


def _steps(source: Any) -> list[Any]:
    return list(source.get("steps", [])) if isinstance(source, dict) else []


FOREIGN_READERS = (
    Reader("mapping.toml", foreign_seeds.mappings, _TOML, TapMapping.load, _mapping_says),
    Reader(
        "inputs manifest.json",
        foreign_seeds.inputs_manifests,
        _JSON,
        lambda path: InputsManifest.read(path.parent).model_dump(mode="json", by_alias=True),
        _manifest_says,
        command=lambda path: (parity_main, ["inputs", "--check", str(path.parent)]),
    ),
    Reader(
        "foreign safetensors",
        foreign_seeds.foreign_tensors,
        (*_SAFETENSORS, *content.ANY_BYTES),
        _tensors,
        _tensors_say,
    ),
    Reader(
        "foreign .npy",
        foreign_seeds.arrays,
        (*(_header,) * 12, *content.ANY_BYTES),
        lambda path: _tensors(path.parent),
        _array_says,
    ),
)
