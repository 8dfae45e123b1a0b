"""What a run writes, each thing whole or not at all."""

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from safetensors.torch import save_file

from ltx_port.cli.outputs import Outputs
from ltx_port.cli.plan import Plan
from ltx_port.mp4 import ClipFacts, PngFrames, write_mp4, write_wav
from ltx_port.pipeline.pipeline import Frames, Generated
from ltx_port.pipeline.sampling import Latents
from ltx_port.pipeline.watch import Watch


def write_outputs(
    outputs: Outputs, generated: Generated, plan: Plan, metadata: Mapping[str, str], watch: Watch
) -> None:
    """Write the clip, and beside it what was asked for; frames are decoded as they are written."""
    clip = plan.request.clip
    if outputs.wav is not None:
        write_wav(outputs.wav, generated.sound)
    if outputs.latents is not None:
        save_latents(outputs.latents, generated.latents, metadata)
    facts = ClipFacts(clip.frames, clip.height, clip.width, clip.fps, plan.numerics.release)
    with ExitStack() as stack:
        png = None if outputs.frames is None else stack.enter_context(PngFrames(outputs.frames))
        frames = _written(generated.frames, png, watch, clip.frames)
        write_mp4(outputs.clip, frames, generated.sound, facts, metadata)


def _written(frames: Frames, png: PngFrames | None, watch: Watch, total: int) -> Frames:
    """Give the frames on; what is done with a stretch before the next is asked for counts as writing."""
    done = 0
    for stretch in frames:
        with watch.phase("mp4") as phase, phase.executing():
            if png is not None:
                png.add(stretch)
            yield stretch
            done += len(stretch)
            phase.advance(done, total)


def save_latents(path: Path, latents: Latents, metadata: Mapping[str, str]) -> None:
    """Write the latents of both streams as safetensors: normalised, as the decoders take them."""
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    tensors = {"video": latents.video.contiguous().cpu(), "audio": latents.audio.contiguous().cpu()}
    try:
        # Under one name: several would be written in an order that changes from run to run.
        save_file(tensors, partial, metadata={"ltx": json.dumps(dict(metadata), sort_keys=True)})
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
