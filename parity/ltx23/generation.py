"""Records a run of `ltx-generate`, which finds this through an entry point, to a dump."""

import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ltx_port.cli.provenance import Hashes
from ltx_port.cli.recorders import Recorded
from ltx_port.denoise import GuidanceScales
from parity.capture import Probe
from parity.ltx23.recording import combined, determinism
from parity.ltx23.stage import Setting
from parity.ltx23.stages.denoise.passes import Scales
from parity.ltx23.stages.pipeline.passes import Generation, Placed
from parity.ltx23.stages.pipeline.plan import plan
from parity.store import DumpWriter, Manifest, content_hash
from parity.store.bits import dtype_name

PASS = "run"
CASE = "generation-"
"""What dumps call the case of a run, before its route."""


@contextmanager
def recording(recorded: Recorded, folder: Path) -> Iterator[Path]:
    """Record every tap of the pipeline's one run inside the context; gives the dump, which is there when it ends."""
    given, asked = _generation(recorded), recorded.plan
    path = folder / f"{CASE}{given.route}.h5"
    taps = plan(given, Setting(asked.files.checkpoint.config, asked.numerics.dtype, asked.numerics.release.name))
    with DumpWriter(path) as writer:
        with Probe(_Root(recorded.pipeline), "port", taps, _Written(writer)):
            yield path
        writer.set_manifest(_manifest(recorded, given))


class _Root(nn.Module):
    """The pipeline at the path that the catalogue has it at."""

    def __init__(self, pipeline: nn.Module):
        super().__init__()
        self.pipeline = pipeline


@dataclass(frozen=True)
class _Written:
    """Writes each tap as it is reached: none is held in memory."""

    writer: DumpWriter

    def visit(self, name: str, tensor: Tensor) -> None:
        self.writer.write(name, tensor.detach().cpu())


def _generation(recorded: Recorded) -> Generation:
    route, request, numerics = recorded.plan.route, recorded.plan.request, recorded.plan.numerics
    clip = request.clip
    return Generation(
        PASS,
        route.name,
        request.prompt,
        request.negative_prompt,
        request.seed,
        clip.frames,
        clip.height,
        clip.width,
        clip.fps,
        request.steps,
        (_scales(request.video), _scales(request.audio)),
        tuple(Placed(picture.frame, picture.strength, picture.crf) for picture in request.pictures),
        dtype=numerics.dtype,
        device=numerics.device,
    )


def _scales(given: GuidanceScales) -> Scales:
    return Scales(given.cfg, given.stg, given.stg_blocks or (), given.modality, given.rescale, given.skip_step)


def _manifest(recorded: Recorded, given: Generation) -> Manifest:
    asked, numerics = recorded.plan, recorded.plan.numerics
    inputs = given.tensors()
    inputs |= {f"{PASS}.picture{n}": picture.pixels for n, picture in enumerate(asked.request.pictures)}
    config = asked.files.checkpoint.config.transformer
    with Hashes(asked.files) as hashes:
        weights = combined(hashes.all())
    return Manifest(
        producer="port",
        release=numerics.release.name,
        commit=None,
        case=f"{CASE}{given.route}",
        checkpoint_sha256=weights,
        input_sha256={name: content_hash(tensor) for name, tensor in inputs.items()},
        torch_version=torch.__version__,
        device=f"{numerics.device.type}, {platform.machine()}, {torch.backends.cpu.get_cpu_capability()}",
        determinism=determinism(),
        seed=given.seed,
        dtype=dtype_name(numerics.dtype),
        command=recorded.command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sizes={"layers": config.num_layers, "dim": config.inner_dim, "audio_dim": config.audio_inner_dim},
        extra={"binding": "ltx23", "python": platform.python_version()},
    )


class Groups(Mapping[str, str]):
    """The report group of any tap of a run, whatever its steps and stretches are."""

    _sections = ("prompt", "negative", "stage1.picture", "stage1", "upsampled", "stage2.picture", "stage2", "sound")

    def __getitem__(self, name: str) -> str:
        """Give the group; KeyError for a name that is not of a run."""
        prefix = f"pipeline.{PASS}."
        if not name.startswith(prefix):
            raise KeyError(name)
        rest = name.removeprefix(prefix)
        return f"pipeline.{next((part for part in self._sections if rest.startswith(part)), 'frames')}"

    def __iter__(self) -> Iterator[Any]:
        """Name nothing: which taps there are is the dump's to say."""
        return iter(())

    def __len__(self) -> int:
        """Count nothing."""
        return 0
