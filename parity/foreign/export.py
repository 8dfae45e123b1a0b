"""A case's inputs and weights in a folder that a port in any language can read, and the check that it is whole."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from parity.errors import BadInputError, IncompleteError
from parity.foreign.case_inputs import CaseInputs, Given, PassInputs, PlainValue, WeightsFile
from parity.foreign.files import IDENTITY_KEY, identity_of
from parity.foreign.inputs_manifest import (
    GIVEN_FILE,
    INPUTS_FILE,
    MANIFEST_FILE,
    SCHEMA,
    WEIGHTS_FOLDER,
    ArgumentRecord,
    FileRecord,
    GivenRecord,
    InputsManifest,
    PassRecord,
    TensorRecord,
    ValueRecord,
    WeightsRecord,
    files_of,
)
from parity.foreign.safetensors_file import PlainSafetensors
from parity.foreign.whole_folder import whole_folder
from parity.run.dumps import require_same_origin
from parity.store import Dump, strict_json
from parity.store.bits import dtype_name, raw_bytes

Told = Callable[[str, int, int], None]


def write_inputs(
    target: Path, inputs: CaseInputs, given: Given | None = None, told: Told | None = None
) -> InputsManifest:
    """Write passes, weights and manifest; the folder appears under its name only when it is whole.

    Raises BadInputError for a target that cannot be written, IncompleteError where the dump of `given` was not recorded
    from these inputs and weights.
    """
    if not inputs.passes:
        raise BadInputError(f"case {inputs.origin.case!r}", "no pass to export", "one or more", "name others, or none")
    with whole_folder(target) as folder:
        identity = {IDENTITY_KEY: identity_of(inputs.origin)}
        passes = [_pass_record(one) for one in inputs.passes]
        tensors = {_name(one, name): a.tensor for one in inputs.passes for name, a in one.arguments.items()}
        _save(folder / INPUTS_FILE, tensors, identity)
        shown = None if given is None else _give(folder, inputs, given, identity)
        weights = []
        for done, (name, file) in enumerate(inputs.weights.items()):
            if told is not None:
                told(f"weights {name}", done, len(inputs.weights))
            weights.append(_copy(folder, name, file))
        manifest = InputsManifest(
            schema=SCHEMA,
            binding=inputs.binding,
            stage=inputs.stage,
            case=inputs.origin.case,
            guards=inputs.guards,
            release=inputs.origin.release,
            dtype=inputs.origin.dtype,
            identity=identity[IDENTITY_KEY],
            checkpoint_sha256=inputs.origin.checkpoint_sha256,
            seed=inputs.origin.seed,
            command=inputs.origin.command,
            created=inputs.origin.created,
            inputs=INPUTS_FILE,
            options=_values(inputs.options),
            passes=passes,
            weights=weights,
            given=shown,
        )
        (folder / MANIFEST_FILE).write_bytes(manifest.to_bytes())
        # What cannot be read back must not be handed over.
        _require_files(folder, InputsManifest.read(folder))
    return manifest


def check_inputs(folder: Path) -> InputsManifest:
    """Read a folder's manifest and hash everything that it speaks of.

    BadInputError for the first file or tensor that is missing, added or changed.
    """
    manifest = InputsManifest.read(folder)
    _require_files(folder, manifest)
    arguments: list[TensorRecord] = [argument for one in manifest.passes for argument in one.arguments]
    _check_tensors(folder / manifest.inputs, arguments, manifest.identity)
    if manifest.given is not None:
        _check_tensors(folder / manifest.given.file, manifest.given.tensors, manifest.identity)
    for record in manifest.weights:
        for file in record.files:
            found = _file_record(folder, folder / file.path)
            if found != file:
                raise BadInputError(str(folder / file.path), "not what the manifest lists", "its hash", "export again")
    return manifest


def _require_files(folder: Path, manifest: InputsManifest) -> None:
    listed = {MANIFEST_FILE, *files_of(manifest)}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    for odd in sorted(listed ^ found):
        got = "missing" if odd in listed else "not in the manifest"
        raise BadInputError(str(folder / odd), got, "the files that the manifest lists", "export the inputs again")


def _check_tensors(path: Path, records: Iterable[TensorRecord], identity: str) -> None:
    with PlainSafetensors(path) as file:
        if file.metadata.get(IDENTITY_KEY) != identity:
            raise BadInputError(str(path), "of another identity than the manifest", identity, "export the inputs again")
        found = {record.name: record for record in _tensor_records(file)}
        listed = {record.name: record for record in records}
        for name in sorted(found.keys() | listed.keys()):
            own = listed.get(name)
            plain = None if own is None else TensorRecord(**{k: getattr(own, k) for k in TensorRecord.model_fields})
            if found.get(name) != plain:
                raise BadInputError(f"{path}: {name!r}", "not what the manifest lists", "its hash", "export again")


def _pass_record(one: PassInputs) -> PassRecord:
    arguments = [
        ArgumentRecord(**_described(_name(one, name), a.tensor).model_dump(), argument=name, meaning=a.meaning)
        for name, a in one.arguments.items()
    ]
    return PassRecord(name=one.name, arguments=arguments, settings=_values(one.settings), taps=list(one.taps))


def _name(one: PassInputs, argument: str) -> str:
    return f"{one.name}.{argument}"


def _values(values: Mapping[str, PlainValue]) -> list[ValueRecord]:
    for name, plain in values.items():
        strict_json.encode(f"setting {name}", plain.value)
    return [ValueRecord(name=name, value=v.value, meaning=v.meaning) for name, v in values.items()]


def _described(name: str, tensor: Tensor) -> TensorRecord:
    digest = hashlib.sha256(raw_bytes(tensor).data).hexdigest()
    return TensorRecord(name=name, dtype=dtype_name(tensor.dtype), shape=list(tensor.shape), sha256=digest)


def _save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    # Copies: safetensors refuses tensors that share memory, as an expanded one does with itself.
    own = {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    path.write_bytes(save(own, metadata=dict(metadata)))


def _give(folder: Path, inputs: CaseInputs, given: Given, identity: Mapping[str, str]) -> GivenRecord:
    with Dump.open(given.dump) as dump:
        require_same_origin(inputs.origin, dump.manifest)
        if inputs.origin.dtype != dump.manifest.dtype:
            got = f"recorded in {dump.manifest.dtype}"
            raise IncompleteError(
                str(given.dump), got, inputs.origin.dtype, "capture it in the precision of the inputs"
            )
        for pattern in given.patterns:
            if not any(fnmatchcase(name, pattern) for name in dump.names):
                raise BadInputError(
                    f"tap pattern {pattern!r}", f"matches none of {len(dump.names)} taps", "at least one", "correct it"
                )
        cut = {tap.name for tap in dump.manifest.dropped}
        names = [name for name in dump.names if any(fnmatchcase(name, pattern) for pattern in given.patterns)]
        if cut & set(names):
            raise IncompleteError(min(cut & set(names)), "cut in the dump", "the whole tensor", "capture it again")
        tensors = {name: dump.read(name) for name in names}
        _save(folder / GIVEN_FILE, tensors, identity)
        records = [_described(name, tensor) for name, tensor in tensors.items()]
        return GivenRecord(
            producer=dump.manifest.producer, release=dump.manifest.release, file=GIVEN_FILE, tensors=records
        )


def _copy(folder: Path, name: str, file: WeightsFile) -> WeightsRecord:
    target = folder / WEIGHTS_FOLDER / f"{name}{'.safetensors' if _is_safetensors(file.path) else ''}"
    target.parent.mkdir(exist_ok=True)
    if file.path.is_dir():
        shutil.copytree(file.path, target)
    else:
        shutil.copyfile(file.path, target)
    paths = sorted(path for path in target.rglob("*") if path.is_file()) if target.is_dir() else [target]
    return WeightsRecord(name=name, meaning=file.meaning, files=[_file_record(folder, path) for path in paths])


def _is_safetensors(path: Path) -> bool:
    """Whether a file is one, whatever it is called."""
    if path.is_dir():
        return False
    try:
        PlainSafetensors(path).close()
    except BadInputError:
        return False
    return True


def _file_record(folder: Path, path: Path) -> FileRecord:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    tensors = None
    if path.suffix == ".safetensors":
        with PlainSafetensors(path) as file:
            tensors = _tensor_records(file)
    relative = path.relative_to(folder).as_posix()
    return FileRecord(path=relative, bytes=path.stat().st_size, sha256=digest, tensors=tensors)


def _tensor_records(file: PlainSafetensors) -> list[TensorRecord]:
    return [_described(name, file.read(name)) for name in file.names]
