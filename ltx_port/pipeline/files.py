"""The files that a run reads its weights from, opened and checked before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.errors import InputError
from ltx_port.lora.fusion import Lora, LoraFusion
from ltx_port.pipeline.hidden_states import HiddenStatesFile
from ltx_port.pipeline.route import Route
from ltx_port.release import Release
from ltx_port.upsampler.config import UpsamplerFile

# Of the distilled LoRA in each stage where both use it. Source: the official high-quality command line.
STRENGTHS_IN_BOTH = (0.25, 0.5)


@dataclass(frozen=True)
class ModelFiles:
    """Opened files.

    `checkpoint` gives everything but what has a file of its own. The second stage's transformer is that of `distilled`
    where it is given, else the checkpoint's with `distilled_lora`; a route that is distilled altogether has the
    distilled checkpoint as `checkpoint`. Prompts are read by Gemma in the folder `gemma`, or come from `hidden_states`.
    `strengths` are those of the distilled LoRA in each stage, where the route uses it in both.
    """

    checkpoint: CheckpointFile
    gemma: Path | None = None
    hidden_states: HiddenStatesFile | None = None
    upsampler: UpsamplerFile | None = None
    distilled: CheckpointFile | None = None
    distilled_lora: Lora | None = None
    loras: tuple[Lora, ...] = ()
    strengths: tuple[float, float] = STRENGTHS_IN_BOTH

    def transformer(self, route: Route, stage: int) -> tuple[CheckpointFile, tuple[Lora, ...]]:
        """Give the checkpoint of a stage's transformer (1 or 2), and the LoRAs that are fused into it, in order."""
        extra = self.distilled_lora
        if extra is not None and route.lora_in_both:
            return self.checkpoint, (*self.loras, Lora(extra.file, self.strengths[stage - 1], extra.leave))
        if stage == 1 or not route.guided:
            return self.checkpoint, self.loras
        if self.distilled is not None:
            return self.distilled, self.loras
        return self.checkpoint, (*self.loras, *(() if extra is None else (extra,)))


def check_files(route: Route, files: ModelFiles, release: Release) -> None:
    """Refuse files that are missing for a route, too many, or do not belong together; InputError in one line."""
    if (files.gemma is None) == (files.hidden_states is None):
        got = "neither" if files.gemma is None else "both"
        expected = "a Gemma root folder, or hidden states that it has computed"
        raise InputError("prompt", got, expected, "give one of --gemma-root and --hidden-states")
    if files.hidden_states is not None:
        files.hidden_states.require(route.guided)
        files.hidden_states.require_fits(files.checkpoint)
    if route.two_stages and files.upsampler is None:
        raise InputError(f"pipeline {route.name}", "no upsampler", "one", "give --spatial-upsampler")
    if files.upsampler is not None:
        files.upsampler.require_fits(files.checkpoint)
    _check_second_stage(route, files)
    for stage in (1, 2) if route.two_stages else (1,):
        checkpoint, loras = files.transformer(route, stage)
        if loras:
            LoraFusion(checkpoint, loras, release)


def _check_second_stage(route: Route, files: ModelFiles) -> None:
    given = [name for name, file in _distilled(files) if file is not None]
    where, wanted = f"pipeline {route.name}", _wanted(route)
    if not wanted and given:
        raise InputError(where, f"{given[0]}, which it does not use", "none", "leave it out")
    if wanted and (len(given) != 1 or given[0] not in wanted):
        got = " and ".join(given) or "no distilled model for the second stage"
        raise InputError(where, got, f"one of {', '.join(wanted)}", f"give {' or '.join(wanted)}")
    other = files.distilled
    if other is not None and other.config.transformer != files.checkpoint.config.transformer:
        got = "another configuration of the transformer"
        expected = f"that of {files.checkpoint.path}"
        raise InputError(str(other.path), got, expected, "use checkpoints of one model")


def _distilled(files: ModelFiles) -> Sequence[tuple[str, object]]:
    return ("--distilled-checkpoint", files.distilled), ("--distilled-lora", files.distilled_lora)


def _wanted(route: Route) -> tuple[str, ...]:
    if not (route.two_stages and route.guided):
        return ()
    # A whole distilled checkpoint has no strength to use it at.
    return ("--distilled-lora",) if route.lora_in_both else ("--distilled-checkpoint", "--distilled-lora")
