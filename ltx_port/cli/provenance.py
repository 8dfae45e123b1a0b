"""What made a clip, for its metadata: hashes are made while the clip is, and awaited at its end."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from types import TracebackType

import torch

from ltx_port.checkpoint.tensor_file import TensorFile
from ltx_port.cli.plan import Plan
from ltx_port.pipeline.files import ModelFiles


class Hashes:
    """SHA-256 of every model file, computed beside the run by one thread; a context manager around the run."""

    def __init__(self, files: ModelFiles):
        self._pool = ThreadPoolExecutor(1, "hashes")
        self._found = {name: self._pool.submit(file.sha256) for name, file in _files(files)}
        if files.gemma is not None:
            self._found["gemma"] = self._pool.submit(_folder_sha256, files.gemma)

    def __enter__(self) -> "Hashes":
        """Go on hashing until the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; a file that is being hashed is hashed to its end only where it was asked for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def all(self) -> dict[str, str]:
        """Wait for every hash; InputError where a file changed since it was opened."""
        return {name: _result(future) for name, future in self._found.items()}


def _result(future: "Future[str]") -> str:
    return future.result()


def _files(files: ModelFiles) -> Iterator[tuple[str, TensorFile]]:
    named = {
        "checkpoint": files.checkpoint,
        "distilled_checkpoint": files.distilled,
        "distilled_lora": None if files.distilled_lora is None else files.distilled_lora.file,
        "upsampler": files.upsampler,
        "hidden_states": files.hidden_states,
        **{f"lora_{number}": lora.file for number, lora in enumerate(files.loras)},
    }
    yield from ((name, file) for name, file in named.items() if file is not None)


def _folder_sha256(root: Path) -> str:
    """Give one hash for what is read of a Gemma root: configuration, tokenizer and weights, with their names."""
    digest = hashlib.sha256()
    for path in sorted(path for path in root.iterdir() if path.suffix in (".json", ".safetensors")):
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{path.name}\0{found}\0".encode())
    return digest.hexdigest()


def told(plan: Plan, proof: str, hashes: dict[str, str]) -> dict[str, str]:
    """Give the metadata of the clip. The prompt is not among it: a file that is passed on should not tell it."""
    numerics, request = plan.numerics, plan.request
    how = {
        "pipeline": plan.route.name,
        "steps": request.steps if plan.route.guided else None,
        "pictures": [[picture.frame, picture.strength, picture.crf] for picture in request.pictures],
        "video": vars(request.video) if plan.route.guided else None,
        "audio": vars(request.audio) if plan.route.guided else None,
        "strengths": plan.files.strengths if plan.route.lora_in_both else [_strength(plan.files)],
        "loras": [lora.strength for lora in plan.files.loras],
    }
    return {
        "ltx_port": metadata.version("ltx-parity"),
        "ltx_release": numerics.release.name,
        "ltx_numerics": f"{numerics.device.type} {str(numerics.dtype).removeprefix('torch.')} "
        f"attention={numerics.attention.value} torch={torch.__version__}",
        "ltx_seed": str(request.seed),
        "ltx_settings": json.dumps(how),
        "ltx_sha256": json.dumps(hashes),
        "ltx_certificate": proof,
    }


def _strength(files: ModelFiles) -> float | None:
    return None if files.distilled_lora is None else files.distilled_lora.strength
