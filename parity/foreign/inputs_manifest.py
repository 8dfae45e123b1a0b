"""The manifest of exported inputs: JSON with one meaning, every key known, every file and tensor with its hash."""

import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from parity.errors import BadInputError
from parity.store import strict_json
from parity.store.bits import STORED_DTYPES
from parity.store.refusal import shown

SCHEMA: Literal["ltx-parity/inputs/1"] = "ltx-parity/inputs/1"
MANIFEST_FILE = "manifest.json"
INPUTS_FILE = "inputs.safetensors"
GIVEN_FILE = "given.safetensors"
WEIGHTS_FOLDER = "weights"


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or path != "/".join(parts) or ".." in parts or path.startswith("/") or "\\" in path:
        raise ValueError("not a path inside of the folder")
    return path


def _known_dtype(name: str) -> str:
    if name not in STORED_DTYPES:
        raise ValueError(f"not one of {', '.join(STORED_DTYPES)}")
    return name


Sha256 = Annotated[str, Field(pattern=re.compile(r"\A[0-9a-f]{64}\Z"))]
Inside = Annotated[str, AfterValidator(_inside)]
Count = Annotated[int, Field(ge=0)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True, allow_inf_nan=False)


class TensorRecord(_Record):
    """A tensor of a safetensors file; `sha256` is over its little-endian, row-major bytes."""

    name: str
    dtype: Annotated[str, AfterValidator(_known_dtype)]
    shape: list[Count]
    sha256: Sha256


class ArgumentRecord(TensorRecord):
    """An input tensor; `argument` is what the pass calls it, `name` what the file does."""

    argument: str
    meaning: str


class ValueRecord(_Record):
    """An input that is no tensor."""

    name: str
    value: Any
    meaning: str


class PassRecord(_Record):
    """One pass: its tensors (all in the inputs' file), its plain values, and the taps that a port may show."""

    name: str
    arguments: list[ArgumentRecord]
    settings: list[ValueRecord]
    taps: list[str]


class FileRecord(_Record):
    """One file of the folder; `tensors` lists what a safetensors file holds, and is null for any other."""

    path: Inside
    bytes: Count
    sha256: Sha256
    tensors: list[TensorRecord] | None


class WeightsRecord(_Record):
    """What the model is loaded from: one file, or the files of a folder."""

    name: str
    meaning: str
    files: list[FileRecord]


class GivenRecord(_Record):
    """Taps of a reference, under their own names, so that a part can be run alone."""

    producer: str
    release: str
    file: Inside
    tensors: list[TensorRecord]


class InputsManifest(_Record):
    """What is in a folder of exported inputs.

    `identity` stands for case, precision, release, weights and the inputs of all passes, also where only some were
    exported; a port repeats it in what it writes.
    """

    format: Literal["ltx-parity/inputs/1"] = Field(alias="schema")
    binding: str
    stage: str
    case: str
    guards: str
    release: str
    dtype: Annotated[str, AfterValidator(_known_dtype)]
    identity: Sha256
    checkpoint_sha256: Sha256
    seed: int
    command: str
    created: str
    inputs: Inside
    options: list[ValueRecord]
    passes: list[PassRecord]
    weights: list[WeightsRecord]
    given: GivenRecord | None

    def to_bytes(self) -> bytes:
        """Give the manifest as it is written: indented JSON in UTF-8."""
        text = self.model_dump_json(by_alias=True, indent=1)
        return text.encode("utf-8") + b"\n"

    @staticmethod
    def read(folder: Path) -> "InputsManifest":
        """Read a folder's manifest; BadInputError in one line where it is missing or malformed."""
        path = folder / MANIFEST_FILE
        try:
            raw = path.read_bytes()
        except OSError as error:
            expected = "a folder that `ltx-parity inputs` wrote"
            raise BadInputError(str(path), error.strerror or "unreadable", expected, "check the path") from error
        return InputsManifest.from_bytes(raw, str(path))

    @staticmethod
    def from_bytes(raw: bytes, where: str) -> "InputsManifest":
        """Read a manifest; BadInputError names the first key that is unknown, missing or of another type."""
        try:
            value = strict_json.decode(where, raw)
        except BadInputError as error:
            raise _refusal(where, error.got) from error
        try:
            found = InputsManifest.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"]) or "(root)"
            more = f" ({error.error_count()} faults)" if error.error_count() > 1 else ""
            raise _refusal(where, f"{shown(key)}: {first['msg']}{more}") from None
        _require_single(found, where)
        return found


def _require_single(manifest: InputsManifest, where: str) -> None:
    """Refuse a manifest in which one name stands for two things."""
    named = {
        "pass": [record.name for record in manifest.passes],
        "tensor": [argument.name for record in manifest.passes for argument in record.arguments],
        "weights": [record.name for record in manifest.weights],
        "file": [MANIFEST_FILE, *files_of(manifest)],
    }
    for what, names in named.items():
        double = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
        if double is not None:
            raise _refusal(where, f"{what} {shown(double)} twice")


def files_of(manifest: InputsManifest) -> list[str]:
    """List the files that a manifest speaks of, itself left out."""
    weights = [file.path for record in manifest.weights for file in record.files]
    return [manifest.inputs, *weights, *([] if manifest.given is None else [manifest.given.file])]


def _refusal(where: str, got: str) -> BadInputError:
    return BadInputError(where, got, f"a manifest of {SCHEMA}", "export the inputs again")
