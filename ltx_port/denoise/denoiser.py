"""One evaluation at one noise level: both streams in, x0 of both out, with guidance or without.

The model is any module that maps two `ModalityInput`s and the samples' perturbations to x0 of both streams:
`ltx_port.transformer.DenoisedPrediction`, or what stands in for it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ltx_port.denoise.guidance import Guide, Predictions
from ltx_port.denoise.scales import GuidanceScales
from ltx_port.denoise.stream import AtNoiseLevel, NoisyStream
from ltx_port.errors import InputError
from ltx_port.release import NEWEST, Release
from ltx_port.transformer import NO_PERTURBATION, ModalityInput, Perturbation, Skip


class Denoised(NamedTuple):
    """x0 of both streams."""

    video: Float[Tensor, "batch video_tokens channels"]
    audio: Float[Tensor, "batch audio_tokens audio_channels"]


class Pair(NamedTuple):
    """Both streams."""

    video: NoisyStream
    audio: NoisyStream


@dataclass(frozen=True)
class Text:
    """The prompt as each stream takes it: the connectors' outputs."""

    video: Float[Tensor, "batch text_tokens dim"]
    audio: Float[Tensor, "batch text_tokens audio_dim"]


@dataclass(frozen=True)
class Level:
    """Where in the schedule an evaluation is: its noise level, and the number that decides what it may skip."""

    sigma: Float[Tensor, ""]
    step: int


@dataclass(frozen=True)
class Guidance:
    """What a guided evaluation is asked for; `negative` is needed by either stream's `cfg` alone."""

    video: GuidanceScales
    audio: GuidanceScales
    negative: Text | None


class SimpleDenoiser(nn.Module):
    """One pass, no guidance: the distilled model, and every second stage."""

    def __init__(self, model: nn.Module, release: Release = NEWEST):
        super().__init__()
        self.model = model
        self.video_input = AtNoiseLevel(release)
        self.audio_input = AtNoiseLevel(release)

    def forward(self, streams: Pair, text: Text, level: Level) -> Denoised:
        """Give x0 of both streams."""
        video = self.video_input(streams.video, text.video, level.sigma, enabled=True)
        audio = self.audio_input(streams.audio, text.audio, level.sigma, enabled=True)
        return Denoised(*self.model(video, audio, None))


class _Pass(NamedTuple):
    """One of up to four passes of a guided evaluation: its prompt, and what its samples skip."""

    text: Text
    perturbation: Perturbation
    negative: bool = False


_DEAF = Perturbation({Skip.AUDIO_TO_VIDEO: None, Skip.VIDEO_TO_AUDIO: None})


class GuidedDenoiser(nn.Module):
    """Up to four passes and the guidance of both streams.

    Where the release joins the passes into one batch, the model gets at most `max_batch` samples of it at a time;
    the official pipelines ask for 1 unless told otherwise. In other releases each pass is one call.
    """

    def __init__(self, model: nn.Module, release: Release = NEWEST, max_batch: int = 1):
        super().__init__()
        if max_batch < 1:
            raise InputError("guided denoiser", f"max_batch {max_batch}", "1 or more", "raise it")
        self.model, self.release, self.max_batch = model, release, max_batch
        self.video_input = AtNoiseLevel(release)
        self.audio_input = AtNoiseLevel(release)
        self.guide_video = Guide(release)
        self.guide_audio = Guide(release)

    def forward(self, streams: Pair, text: Text, level: Level, guidance: Guidance, last: Denoised | None) -> Denoised:
        """Give x0 of both streams, guided; `last` is what a stream that skips this step keeps.

        InputError where a scale asks for a negative prompt and there is none.
        """
        skips = [last is not None and scales.skips(level.step) for scales in (guidance.video, guidance.audio)]
        if last is not None and all(skips):
            return last
        passes = _passes(text, guidance)
        run = self._joined if self.release.guidance_batched else self._one_by_one
        video, audio = run(streams, list(passes.values()), level, skips)
        found = [_by_pass(passes, video), _by_pass(passes, audio)]
        return Denoised(
            last.video if last and skips[0] else self.guide_video(found[0], guidance.video),
            last.audio if last and skips[1] else self.guide_audio(found[1], guidance.audio),
        )

    def _one_by_one(
        self, streams: Pair, passes: list[_Pass], level: Level, skips: list[bool]
    ) -> tuple[list[Tensor], list[Tensor]]:
        found = []
        for text, perturbation, negative in passes:
            ignored = negative and not self.release.skipped_stream_off_in_negative
            video = self.video_input(streams.video, text.video, level.sigma, enabled=ignored or not skips[0])
            audio = self.audio_input(streams.audio, text.audio, level.sigma, enabled=ignored or not skips[1])
            found.append(self.model(video, audio, [perturbation] * streams.video.latent.shape[0]))
        return [x0[0] for x0 in found], [x0[1] for x0 in found]

    def _joined(
        self, streams: Pair, passes: list[_Pass], level: Level, skips: list[bool]
    ) -> tuple[list[Tensor], list[Tensor]]:
        count, batch = len(passes), streams.video.latent.shape[0]
        video_text = torch.cat([part.text.video for part in passes])
        audio_text = torch.cat([part.text.audio for part in passes])
        video = self.video_input(streams.video.repeated(count), video_text, level.sigma, enabled=not skips[0])
        audio = self.audio_input(streams.audio.repeated(count), audio_text, level.sigma, enabled=not skips[1])
        perturbations = [part.perturbation for part in passes for _ in range(batch)]
        x0 = [
            self.model(_samples(video, part), _samples(audio, part), perturbations[part])
            for start in range(0, count * batch, self.max_batch)
            for part in [slice(start, start + self.max_batch)]
        ]
        return (
            list(torch.cat([part[0] for part in x0]).chunk(count)),
            list(torch.cat([part[1] for part in x0]).chunk(count)),
        )


def _samples(modality: ModalityInput, part: slice) -> ModalityInput:
    """Give some samples of a batch."""
    mask = modality.attention_mask
    return replace(
        modality,
        latent=modality.latent[part],
        sigma=modality.sigma[part],
        timesteps=modality.timesteps[part],
        positions=modality.positions[part],
        context=modality.context[part],
        attention_mask=None if mask is None else mask[part],
    )


def _by_pass(passes: Iterable[str], x0: Sequence[Tensor]) -> Predictions:
    found = dict(zip(passes, x0, strict=True))
    worse = (found.get(name) for name in Predictions._fields[1:])
    return Predictions(found["conditioned"], *worse)


def _passes(text: Text, guidance: Guidance) -> dict[str, _Pass]:
    """Give the passes that either stream needs, in the order in which they are run."""
    found = {"conditioned": _Pass(text, NO_PERTURBATION)}
    streams = guidance.video, guidance.audio
    if any(scales.needs_negative for scales in streams):
        if guidance.negative is None:
            got, expected = "none", "one, since cfg is not 1"
            raise InputError("negative prompt", got, expected, "encode it too, the empty text at least")
        found["negative"] = _Pass(guidance.negative, NO_PERTURBATION, negative=True)
    skipped: Sequence[Skip] = (Skip.VIDEO_SELF_ATTENTION, Skip.AUDIO_SELF_ATTENTION)
    blocks = {
        skip: None if scales.stg_blocks is None else frozenset(scales.stg_blocks)
        for skip, scales in zip(skipped, streams, strict=True)
        if scales.needs_perturbed
    }
    if blocks:
        found["perturbed"] = _Pass(text, Perturbation(blocks))
    if any(scales.needs_isolated for scales in streams):
        found["isolated"] = _Pass(text, _DEAF)
    return found


@dataclass(frozen=True)
class SimpleRun:
    """A denoiser with its prompt, as a loop calls it."""

    denoiser: SimpleDenoiser
    text: Text

    def __call__(self, streams: Pair, level: Level) -> Denoised:
        """Give x0 of both streams."""
        return self.denoiser(streams, self.text, level)


@dataclass
class GuidedRun:
    """A guided denoiser with its prompt, as a loop calls it; it keeps the last prediction, so it serves one loop."""

    denoiser: GuidedDenoiser
    text: Text
    guidance: Guidance
    last: Denoised | None = None

    def __call__(self, streams: Pair, level: Level) -> Denoised:
        """Give x0 of both streams, guided."""
        self.last = self.denoiser(streams, self.text, level, self.guidance, self.last)
        return self.last
