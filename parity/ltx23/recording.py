"""Recorded dumps of the reference: written from the running official code, read back only while they are current."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import torch

from parity.binding import CaptureRequest, Progress
from parity.errors import IncompleteError
from parity.ltx23.stage import SEED, Case
from parity.ltx23.world import World, sha256
from parity.metrics import engine_name
from parity.run.dumps import require_same_origin
from parity.run.forward import Forward, Implementation, observe
from parity.run.statistics import Statistics, StatisticsVisitor, require_suffix, take_statistics, write_statistics
from parity.sketch.capture import Sitting, record_sketch
from parity.sketch.file import require_suffix as require_sketch_name
from parity.store import DroppedTap, Dump, DumpWriter, Manifest, content_hash
from parity.store.bits import dtype_name
from reference_dumps.lock import locked

SIDES = ("port", "official")


def recording_name(release: str, case: Case, dtype: torch.dtype) -> str:
    """Say where the dump of a case in a precision is kept, below the folder of recordings."""
    return f"{release}/{case.id}-{str(dtype).removeprefix('torch.')}.h5"


def open_recording(folder: Path, case: Case, dtype: torch.dtype, world: World) -> Dump:
    """Open a case's dump; IncompleteError where it is another file, or its weights or inputs are not today's."""
    dump = Dump.open(locked(folder, recording_name(world.release, case, dtype)))
    try:
        require_current(dump, case, dtype, world)
    except IncompleteError:
        dump.close()
        raise
    return dump


def require_current(dump: Dump, case: Case, dtype: torch.dtype, world: World) -> None:
    """Refuse a dump that was recorded from other weights or inputs than the case has today, or has other taps."""
    require_same_origin(manifest(world, case, dtype, "port", "compare"), dump.manifest)
    declared = {name for forward in world.forwards(case, dtype) for name in forward.plan.names}
    extra = sorted(set(dump.names) - declared)
    if extra:
        raise IncompleteError(
            extra[0], f"undeclared in the dump ({len(extra)} taps)", "only declared taps", "record the dump again"
        )


def record(request: CaptureRequest, case: Case, dtype: torch.dtype, world: World, progress: Progress) -> Manifest:
    """Run a case and write its taps to one dump, whole or not at all."""
    implementation = _implementation(request, case, dtype, world)
    forwards = world.forwards(case, dtype)
    kept = set(request.selection.names(name for forward in forwards for name in forward.plan.names))
    dropped: list[DroppedTap] = []
    with DumpWriter(request.output, request.limits, compression=4) as writer:
        for done, forward in enumerate(forwards):
            progress(f"capture {forward.name}", done, len(forwards))
            dropped += _write(writer, implementation, forward, kept, request)
        progress("capture", len(forwards), len(forwards))
        found = manifest(world, case, dtype, request.side, request.command, tuple(dropped))
        writer.set_manifest(found)
    with Dump.open(request.output) as dump:
        return dump.manifest


def record_statistics(
    request: CaptureRequest, case: Case, dtype: torch.dtype, world: World, progress: Progress
) -> Manifest:
    """Run a case and write the fingerprints of its taps to one document, whole or not at all."""
    require_suffix(request.output)
    implementation = _implementation(request, case, dtype, world)
    forwards = world.forwards(case, dtype)
    declared = [name for forward in forwards for name in forward.plan.names]
    visitor = StatisticsVisitor(request.selection, frozenset(request.selection.names(declared)))
    for done, forward in enumerate(forwards):
        progress(f"capture {forward.name}", done, len(forwards))
        take_statistics(implementation, forward, visitor)
    progress("capture", len(forwards), len(forwards))
    taps = visitor.taken.finish()
    told = manifest(world, case, dtype, request.side, request.command, tuple(visitor.cut))
    extra = {**told.extra, "engine": engine_name(world.device)}
    found = replace(told, tap_count=len(taps), extra=extra)
    write_statistics(Statistics(found, taps), request.output)
    return found


def record_sketched(
    request: CaptureRequest, case: Case, dtype: torch.dtype, world: World, progress: Progress
) -> Manifest:
    """Run a case and write its sketch, whole or not at all."""
    assert request.sketch is not None
    require_sketch_name(request.output)
    implementation, forwards = _implementation(request, case, dtype, world), world.forwards(case, dtype)
    told = manifest(world, case, dtype, request.side, request.command)
    found = replace(told, extra={**told.extra, **_regeneration(request.side, case, world)})
    sitting = Sitting(implementation, forwards, request.selection, request.sketch)
    return record_sketch(sitting, found, request.output, progress)


def _regeneration(side: str, case: Case, world: World) -> dict[str, str]:
    """Say what else it takes to do the same again: recipes of weights and inputs, packages, GPU."""
    packages = ("ltx-parity", "numpy", *(("ltx-core",) if side == "official" else ()))
    told = {
        "config": case.config,
        "weights": world.made_from(case),
        "weights_form": str(world.weights),
        "inputs": f"drawn from seed {world.inputs}",
        "packages": ", ".join(f"{package} {metadata.version(package)}" for package in packages),
    }
    if world.device.type == "cuda":
        told["gpu"] = f"{torch.cuda.get_device_name(world.device)}, CUDA {torch.version.cuda}"
    return told


def _implementation(request: CaptureRequest, case: Case, dtype: torch.dtype, world: World) -> Implementation:
    world.require_room(case, dtype, sides=1)
    return world.port(case, dtype) if request.side == "port" else world.official(case, dtype)


def _write(
    writer: DumpWriter, implementation: Implementation, forward: Forward, kept: set[str], request: CaptureRequest
) -> list[DroppedTap]:
    cut = []
    for name, tensor in observe(implementation, forward).items():
        if name not in kept:
            continue
        part = request.selection.cut(tensor)
        if part.shape != tensor.shape:
            cut.append(DroppedTap(name, f"first {part.shape[1]} of {tensor.shape[1]} tokens"))
        writer.write(name, part)
    return cut


def manifest(
    world: World, case: Case, dtype: torch.dtype, side: str, command: str, dropped: tuple[DroppedTap, ...] = ()
) -> Manifest:
    """Say where the taps of a case come from: weights, inputs, code and machine."""
    inputs = {name: tensor for forward in world.passes(case, dtype) for name, tensor in forward.tensors().items()}
    config = world.setting(case, dtype).config.transformer
    return Manifest(
        producer=side,
        release=world.release,
        commit=_commit(side, world.release),
        case=case.id,
        checkpoint_sha256=_weights(world.files(case)),
        input_sha256={name: content_hash(tensor) for name, tensor in inputs.items()},
        torch_version=torch.__version__,
        device=f"{world.device.type}, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        determinism=determinism(),
        seed=SEED,
        dtype=dtype_name(dtype),
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sizes={"layers": config.num_layers, "dim": config.inner_dim, "audio_dim": config.audio_inner_dim},
        dropped=dropped,
        extra={"binding": "ltx23", "python": platform.python_version()},
    )


def _weights(files: Mapping[str, Path]) -> str:
    """Give one hash for all files: the file's own where there is one."""
    return combined({name: sha256(path) for name, path in files.items()})


def combined(hashes: Mapping[str, str]) -> str:
    """Give one hash for several: the one itself where there is no other."""
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def _commit(side: str, release: str) -> str | None:
    if side != "official":
        return None
    from reference_dumps.official.installed import COMMITS

    return COMMITS[release]


def determinism() -> dict[str, str | bool | int]:
    """Say what of torch's settings decides the order of sums."""
    return {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "num_threads": torch.get_num_threads(),
    }
