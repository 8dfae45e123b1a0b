"""Generation from embedded text as a chain of links, laid out from the port's public parts.

    entry -> blocks -> head -> guidance -> Euler step, for every step; then video decoder, audio decoder, vocoder

Every evaluation runs the four passes of guidance, each by itself, as the releases do. A block, and the head, has its
own conditioning (timestep embeddings, rotary tables): an error in these is an error of the block. In the precision of
its parts the chain gives the bits of the assembled pipeline (tests/ltx23/test_generation_chain.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from ltx_port.denoise import GuidanceScales, NoisyStream
from ltx_port.denoise.euler import EulerStep
from ltx_port.denoise.guidance import Guide, Predictions
from ltx_port.denoise.stream import AtNoiseLevel, MaskBlend
from ltx_port.latents import Clip, UnpatchifyAudio, UnpatchifyVideo
from ltx_port.transformer import NO_PERTURBATION, ModalityInput, Perturbation, Skip
from ltx_port.transformer.conditioning import StreamState
from ltx_port.transformer.perturbation import BlockSkips
from ltx_port.video_vae.frames import ToFrames
from parity.chain import Chain, Link, Outcome, OutcomeKind, State
from parity.ltx23.numerics import Parts

STREAMS = ("video", "audio")
PASSES = Predictions._fields
LATENTS = tuple(f"{stream}.latent" for stream in STREAMS)
POSITIONS = tuple(f"{stream}.positions" for stream in STREAMS)
TEXTS = tuple(f"{stream}.{text}" for stream in STREAMS for text in ("text", "negative_text"))
GUIDED = tuple(f"{stream}.x0" for stream in STREAMS)


def _of_passes(what: str) -> tuple[str, ...]:
    return tuple(f"{name}.{stream}.{what}" for name in PASSES for stream in STREAMS)


TOKENS, PREDICTIONS = _of_passes("tokens"), _of_passes("x0")
# What keeps its dtype whatever the working precision is; positions are float32 or rounded inside the parts.
_WIDE = frozenset({*POSITIONS, "waveform"})


@dataclass(frozen=True)
class Request:
    """What is generated: clip, noise levels, and the guidance of (video, audio)."""

    clip: Clip
    sigmas: Tensor
    scales: tuple[GuidanceScales, GuidanceScales]


class _Known(NamedTuple):
    """The conditioning of both streams at one noise level, for the positions that it was made for."""

    positions: Tensor
    states: tuple[StreamState, StreamState]


class GenerationLinks:
    """The links of a generation in the precision of some loaded parts."""

    def __init__(self, parts: Parts, dtype: torch.dtype, request: Request):
        self.parts, self.dtype, self.request = parts, dtype, request
        self.at_level = AtNoiseLevel(parts.release)
        self.guide = Guide(parts.release)
        self.blend, self.step = MaskBlend(), EulerStep()
        self.to_frames = ToFrames(as_bytes=False)
        self._known: dict[int, _Known] = {}

    def chain(self, name: str) -> Chain:
        """Give the chain."""
        steps = range(len(self.request.sigmas) - 1)
        rate = self.parts.sound.vocoder.sampling_rate
        return Chain(
            name,
            (*(link for step in steps for link in self._step(step)), *self._decoders()),
            (
                *(Outcome(key, OutcomeKind.LATENT) for key in LATENTS),
                Outcome("frames", OutcomeKind.FRAMES),
                Outcome("waveform", OutcomeKind.SOUND, rate),
            ),
            self.represent,
        )

    def represent(self, key: str, tensor: Tensor) -> Tensor:
        """Round a tensor as the parts hold it between links."""
        if self.dtype is torch.float32 or key in _WIDE:
            return tensor
        return tensor.to(self.dtype).float()

    def _step(self, step: int) -> list[Link]:
        at = f"step{step:02d}"
        model = self.parts.model.transformer
        given = (*POSITIONS, *TEXTS)
        return [
            Link(f"{at}.entry", "entry", (*LATENTS, *POSITIONS), TOKENS, lambda s: self._entry(s, step), step),
            *(
                Link(f"{at}.block{i:02d}", f"block{i:02d}", (*TOKENS, *given), TOKENS, self._block(i, step), step)
                for i in range(len(model.blocks))
            ),
            Link(f"{at}.head", "head", (*TOKENS, *LATENTS, *given), PREDICTIONS, lambda s: self._head(s, step), step),
            Link(f"{at}.guidance", "guidance", PREDICTIONS, GUIDED, self._guidance, step, self._weights),
            Link(f"{at}.euler", "euler", (*GUIDED, *LATENTS), LATENTS, lambda s: self._euler(s, step), step),
        ]

    def _decoders(self) -> list[Link]:
        clip, parts = self.request.clip, self.parts

        def frames(state: State) -> State:
            latent = UnpatchifyVideo()(self._working(state["video.latent"]), clip.video)
            return {"frames": self.to_frames(parts.video(latent)).float()}

        def mel(state: State) -> State:
            latent = UnpatchifyAudio()(self._working(state["audio.latent"]), clip.audio)
            return {"mel": parts.audio(latent).float()}

        def waveform(state: State) -> State:
            return {"waveform": parts.sound(self._working(state["mel"])).waveform}

        return [
            Link("video_decoder", "video_decoder", ("video.latent",), ("frames",), frames),
            Link("audio_decoder", "audio_decoder", ("audio.latent",), ("mel",), mel),
            Link("vocoder", "vocoder", ("mel",), ("waveform",), waveform),
        ]

    def _working(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.dtype)

    def _entry(self, state: State, step: int) -> State:
        video, audio = self._states(self._modalities(state, step))
        return {
            f"{name}.{stream}.tokens": entered.tokens.float()
            for name in PASSES
            for stream, entered in zip(STREAMS, (video, audio), strict=True)
        }

    def _block(self, index: int, step: int) -> Callable[[State], State]:
        block = self.parts.model.transformer.blocks[index]
        perturbations = self._perturbations()

        def forward(state: State) -> State:
            given: dict[str, Tensor] = {}
            for name in PASSES:
                streams = [self._tokens(state, name, stream, step) for stream in STREAMS]
                for stream, left in zip(
                    STREAMS, block(*streams, BlockSkips(index, [perturbations[name]])), strict=True
                ):
                    given[f"{name}.{stream}.tokens"] = left.tokens.float()
            return given

        return forward

    def _head(self, state: State, step: int) -> State:
        model = self.parts.model
        modalities = self._modalities(state, step)
        ends = (model.transformer.video.head, model.denoise_video), (model.transformer.audio.head, model.denoise_audio)
        given: dict[str, Tensor] = {}
        for name in PASSES:
            for stream, modality, (head, denoise) in zip(STREAMS, modalities, ends, strict=True):
                left = self._tokens(state, name, stream, step)
                velocity = head(left.tokens, left.conditioning.embedded_timestep)
                given[f"{name}.{stream}.x0"] = denoise(modality.latent, velocity, modality.timesteps).float()
        return given

    def _guidance(self, state: State) -> State:
        return {
            f"{stream}.x0": self.guide(self._predictions(state, stream), scales).float()
            for stream, scales in zip(STREAMS, self.request.scales, strict=True)
        }

    def _weights(self, state: State) -> dict[str, dict[str, float]]:
        """Give the weight of each pass in the guided prediction, at the contrast that the state has."""
        found = {}
        for stream, scales in zip(STREAMS, self.request.scales, strict=True):
            pushes = (scales.cfg - 1, scales.stg, scales.modality - 1)
            passes = [x.double() for x in self._predictions(state, stream) if x is not None]
            weights = [1 + sum(pushes), *(-push for push in pushes)]
            combined = torch.stack([w * x for w, x in zip(weights, passes, strict=True)]).sum(dim=0)
            factor = scales.rescale * float(passes[0].std() / combined.std()) + 1 - scales.rescale
            found[f"{stream}.x0"] = {
                f"{name}.{stream}.x0": factor * weight for name, weight in zip(PASSES, weights, strict=True)
            }
        return found

    def _euler(self, state: State, step: int) -> State:
        level, following = self.request.sigmas[step], self.request.sigmas[step + 1]
        given = {}
        for stream in STREAMS:
            sample = self._working(state[f"{stream}.latent"])
            x0 = self.blend(self._working(state[f"{stream}.x0"]), _mask(sample), torch.zeros_like(sample))
            given[f"{stream}.latent"] = self.step(sample, x0, level, following).float()
        return given

    def _predictions(self, state: State, stream: str) -> Predictions:
        return Predictions(*(self._working(state[f"{name}.{stream}.x0"]) for name in PASSES))

    def _perturbations(self) -> dict[str, Perturbation]:
        video, audio = self.request.scales
        skipped = {
            Skip.VIDEO_SELF_ATTENTION: None if video.stg_blocks is None else frozenset(video.stg_blocks),
            Skip.AUDIO_SELF_ATTENTION: None if audio.stg_blocks is None else frozenset(audio.stg_blocks),
        }
        deaf = Perturbation({Skip.AUDIO_TO_VIDEO: None, Skip.VIDEO_TO_AUDIO: None})
        return dict(zip(PASSES, (NO_PERTURBATION, NO_PERTURBATION, Perturbation(skipped), deaf), strict=True))

    def _stream(self, state: State, stream: str) -> NoisyStream:
        latent = self._working(state[f"{stream}.latent"])
        positions = state[f"{stream}.positions"]
        if stream == "video" and not self.parts.release.video_positions_float32:
            positions = self._working(positions)
        return NoisyStream(latent, torch.zeros_like(latent), _mask(latent), positions)

    def _modalities(self, state: State, step: int) -> tuple[ModalityInput, ModalityInput]:
        level = self.request.sigmas[step]
        video, audio = (
            # No text: neither the way in nor the head reads it.
            self.at_level(self._stream(state, stream), self._no_text(state, stream), level, enabled=True)
            for stream in STREAMS
        )
        return video, audio

    def _no_text(self, state: State, stream: str) -> Tensor:
        latent = state[f"{stream}.latent"]
        width = getattr(self.parts.model.transformer, stream).shape.dim
        return torch.zeros(latent.shape[0], 1, width, dtype=self.dtype, device=latent.device)

    def _states(self, modalities: tuple[ModalityInput, ModalityInput]) -> tuple[StreamState, StreamState]:
        video, audio = modalities
        model = self.parts.model.transformer
        return model.video(video, audio.sigma), model.audio(audio, video.sigma)

    def _tokens(self, state: State, name: str, stream: str, step: int) -> StreamState:
        """Give the tokens of one stream in one pass, with their conditioning and the text of the pass."""
        conditioning = self._conditioning(state, step)[STREAMS.index(stream)].conditioning
        text = state[f"{stream}.{'negative_text' if name == 'negative' else 'text'}"]
        tokens = self._working(state[f"{name}.{stream}.tokens"])
        return StreamState(tokens, replace(conditioning, context=self._working(text)))

    def _conditioning(self, state: State, step: int) -> tuple[StreamState, StreamState]:
        """Give what the blocks of a step know of each stream; it depends on noise level and positions alone."""
        known = self._known.get(step)
        if known is None or known.positions is not state["video.positions"]:
            latents = {f"{s}.latent": self._no_latent(state, s) for s in STREAMS}
            entered = self._states(self._modalities({**state, **latents}, step))
            known = self._known[step] = _Known(state["video.positions"], entered)
        return known.states

    def _no_latent(self, state: State, stream: str) -> Tensor:
        tokens = state[f"{PASSES[0]}.{stream}.tokens"]
        channels = getattr(self.parts.model.transformer, stream).shape.in_channels
        return torch.zeros(*tokens.shape[:2], channels, device=tokens.device)


def _mask(latent: Tensor) -> Tensor:
    """Denoise all tokens wholly."""
    return torch.ones(*latent.shape[:2], 1, device=latent.device)
