"""What a command line asks for, checked as far as it can be before anything long starts."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.denoise import GuidanceScales
from ltx_port.errors import InputError
from ltx_port.latents import Clip
from ltx_port.latents.geometry import require_sides
from ltx_port.lora.file import LoraFile
from ltx_port.lora.fusion import Lora
from ltx_port.picture import DEFAULT_CRF, check_crf, read_picture
from ltx_port.pipeline.components import Numerics
from ltx_port.pipeline.files import STRENGTHS_IN_BOTH, ModelFiles, check_files
from ltx_port.pipeline.hidden_states import HiddenStatesFile
from ltx_port.pipeline.negative import default_negative_prompt
from ltx_port.pipeline.request import GenerationRequest, PlacedPicture, check_request
from ltx_port.pipeline.route import Route, route_named
from ltx_port.release import Release, release_named
from ltx_port.text.gemma import check_gemma_root
from ltx_port.transformer.attention import AttentionBackend
from ltx_port.upsampler.config import UpsamplerFile

_Value = TypeVar("_Value")
_DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class Plan:
    """One run: the route, what it generates, from which files, and how it computes."""

    route: Route
    request: GenerationRequest
    files: ModelFiles
    numerics: Numerics


def plan_of(arguments: argparse.Namespace) -> Plan:
    """Read and check all that a command line names; InputError, in one line, for the first thing that is wrong."""
    route, release = route_named(arguments.pipeline), release_named(arguments.release)
    numerics = Numerics(
        release,
        _device(arguments.device),
        _DTYPES[arguments.dtype],
        AttentionBackend(arguments.attention),
        arguments.offload == "blocks",
    )
    if arguments.threads is not None and arguments.threads < 1:
        raise InputError("--threads", f"{arguments.threads}", "1 or more", "raise it")
    # The cheap refusals first: no file is opened for a clip that cannot be made.
    request = _request(arguments, route, release)
    check_request(route, request)
    files = _files(arguments, route)
    check_files(route, files, release)
    if route.guided:
        check_blocks(request, files.checkpoint)
    return Plan(route, request, files, numerics)


def check_blocks(request: GenerationRequest, checkpoint: CheckpointFile) -> None:
    """Refuse guidance by blocks that the checkpoint's transformer does not have: it would do nothing."""
    layers = checkpoint.config.transformer.num_layers
    for stream, scales in (("video", request.video), ("audio", request.audio)):
        wrong = [block for block in scales.stg_blocks or () if not 0 <= block < layers]
        if wrong and scales.needs_perturbed:
            where, got = f"--{stream}-stg-blocks", f"block {wrong[0]}"
            raise InputError(where, got, f"some of 0 to {layers - 1}", "name blocks that the model has")


def _device(name: str | None) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda", "no such device", "a GPU that torch can use", "use --device cpu")
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def _request(arguments: argparse.Namespace, route: Route, release: Release) -> GenerationRequest:
    if not route.guided:
        _refuse_guidance(arguments)
    height, width = route.pixels
    height, width = _given(arguments.height, height), _given(arguments.width, width)
    # Before the clip is, which would name sides that are right for one stage alone.
    require_sides(height, width, route.sides)
    clip = Clip(arguments.num_frames, height, width, arguments.fps)
    if arguments.prompt is None and arguments.hidden_states is None:
        raise InputError("--prompt", "none", "a text", "say what is to be seen and heard")
    if arguments.prompt is not None and arguments.hidden_states is not None:
        got = "beside --hidden-states, which are a prompt already"
        raise InputError("--prompt", got, "one of the two", "leave one out")
    negative = arguments.negative_prompt
    return GenerationRequest(
        prompt=arguments.prompt or "",
        negative_prompt=default_negative_prompt(release) if negative is None else negative,
        clip=clip,
        seed=arguments.seed,
        steps=_given(arguments.steps, route.sampling.steps),
        video=_scales(arguments, "video", route.sampling.video),
        audio=_scales(arguments, "audio", route.sampling.audio),
        pictures=tuple(_picture(words, release) for words in arguments.image),
    )


def _refuse_guidance(arguments: argparse.Namespace) -> None:
    names = ["steps", "negative_prompt"]
    names += [name for name in vars(arguments) if name.startswith(("video_", "audio_"))]
    for name in names:
        if getattr(arguments, name) is not None:
            flag = f"--{name.replace('_', '-')}"
            got = "given with --pipeline distilled, which has no guidance and steps of its own"
            raise InputError(flag, got, "a guided pipeline", "leave it out")


def _scales(arguments: argparse.Namespace, stream: str, defaults: GuidanceScales) -> GuidanceScales:
    found = {
        name: getattr(arguments, f"{stream}_{name}")
        for name in ("cfg", "stg", "stg_blocks", "modality", "rescale", "skip_step")
    }
    given: dict[str, Any] = {name: value for name, value in found.items() if value is not None}
    if "stg_blocks" in given:
        given["stg_blocks"] = tuple(given["stg_blocks"])
    scales = replace(defaults, **given)
    for name in ("cfg", "stg", "modality"):
        if not math.isfinite(getattr(scales, name)):
            raise InputError(f"--{stream}-{name}", f"{getattr(scales, name)}", "a finite number", "choose another")
    if not 0 <= scales.rescale <= 1 or scales.skip_step < 0:
        got = f"rescale {scales.rescale}, skip-step {scales.skip_step}"
        raise InputError(f"guidance of the {stream}", got, "0 to 1, and 0 or more", "choose others")
    return scales


def _picture(words: Sequence[str], release: Release) -> PlacedPicture:
    path, *numbers = words
    if len(numbers) > 3:
        raise InputError(f"--image {path}", f"{len(words)} values", "PATH [FRAME] [STRENGTH] [CRF]", "leave some out")
    kinds = (int, float, int)
    names = ("FRAME", "STRENGTH", "CRF")
    frame, strength, crf = [
        _number(f"--image {path}: {name}", text, kind) for name, text, kind in zip(names, numbers, kinds, strict=False)
    ] + [0, 1.0, DEFAULT_CRF][len(numbers) :]
    check_crf(int(crf))
    return PlacedPicture(read_picture(Path(path), release), int(frame), float(strength), int(crf))


def _files(arguments: argparse.Namespace, route: Route) -> ModelFiles:
    main, distilled = arguments.checkpoint, arguments.distilled_checkpoint
    if not route.guided:
        main, distilled = distilled, None
        if arguments.checkpoint is not None:
            got = "given with --pipeline distilled"
            raise InputError("--checkpoint", got, "--distilled-checkpoint alone", "leave it out")
    if main is None:
        flag = "--checkpoint" if route.guided else "--distilled-checkpoint"
        raise InputError(flag, "none", "an LTX-2.3 checkpoint", "give its path")
    if arguments.hq_strengths is not None and not route.lora_in_both:
        raise InputError("--hq-strengths", f"given with --pipeline {route.name}", "--pipeline hq", "leave it out")
    if arguments.gemma_root is not None:
        check_gemma_root(arguments.gemma_root)
    extra, leave = arguments.distilled_lora, arguments.lora_leave
    return ModelFiles(
        CheckpointFile.open(main),
        gemma=arguments.gemma_root,
        hidden_states=_opened(HiddenStatesFile, arguments.hidden_states),
        upsampler=_opened(UpsamplerFile, arguments.spatial_upsampler) if route.two_stages else None,
        distilled=_opened(CheckpointFile, distilled),
        distilled_lora=None if extra is None else _lora(extra, leave),
        loras=tuple(_lora(words, leave) for words in arguments.lora),
        strengths=tuple(arguments.hq_strengths or STRENGTHS_IN_BOTH),
    )


def _lora(words: Sequence[str], leave: Sequence[str]) -> Lora:
    path, *numbers = words
    if len(numbers) > 1:
        raise InputError(f"LoRA {path}", f"{len(words)} values", "PATH [STRENGTH]", "leave some out")
    strength = _number(f"LoRA {path}: STRENGTH", numbers[0], float) if numbers else 1.0
    file = LoraFile.open(Path(path))
    # Each beginning need only be one of some LoRA's.
    leaves = tuple(beginning for beginning in leave if any(layer.startswith(beginning) for layer in file.layers))
    return Lora(file, float(strength), leaves)


def _opened(kind: type[_Value], path: Path | None) -> _Value | None:
    return None if path is None else kind.open(path)  # type: ignore[attr-defined]


def _number(where: str, text: str, kind: type[int] | type[float]) -> int | float:
    try:
        return kind(text)
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise InputError(where, repr(text), expected, "correct it") from None


def _given(value: _Value | None, default: _Value) -> _Value:
    return default if value is None else value
