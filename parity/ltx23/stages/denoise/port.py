"""The port, as the harness runs it."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.load import load_transformer
from ltx_port.denoise import (
    DISTILLED_SIGMAS,
    LTX_2_3,
    LTX_2_3_HQ,
    STAGE_2_SIGMAS,
    EulerLoop,
    GuidanceScales,
    GuidedDenoiser,
    GuidedRun,
    NoisyStream,
    Res2sLoop,
    ShiftedSchedule,
    SimpleDenoiser,
    SimpleRun,
    Text,
)
from ltx_port.denoise.denoiser import Guidance, Pair
from ltx_port.release import release_named
from ltx_port.transformer import DenoisedPrediction, ModalityInput, Perturbation, Skip
from ltx_port.transformer.attention import AttentionBackend
from parity.ltx23.refusals import refusals
from parity.ltx23.stage import Load
from parity.ltx23.stages.denoise.passes import DenoisePass, LoopPass, Scales, SchedulePass, StreamStart
from parity.ltx23.stages.denoise.stub import BLOCKS, StubModel

# In the order in which the stub is told of them.
_SKIPS = (Skip.VIDEO_SELF_ATTENTION, Skip.AUDIO_SELF_ATTENTION, Skip.AUDIO_TO_VIDEO, Skip.VIDEO_TO_AUDIO)


class Model(nn.Module):
    """The model as one step: what it does inside is proven in its own stage, so it is no submodule to look into."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self._inside = (model,)

    def forward(
        self, video: ModalityInput, audio: ModalityInput, perturbations: Sequence[Perturbation] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Give x0 of both streams."""
        (model,) = self._inside
        if not isinstance(model, StubModel):
            return model(video, audio, perturbations)
        samples = perturbations or [Perturbation()] * video.latent.shape[0]
        skips = [[[s.skipped(skip, block) for block in range(BLOCKS)] for skip in _SKIPS] for s in samples]
        return model(video, audio, torch.tensor(skips, device=video.latent.device))


class Denoise(nn.Module):
    """A schedule, a denoiser and a loop."""

    def __init__(self, denoiser: SimpleDenoiser | GuidedDenoiser, loop: EulerLoop | Res2sLoop):
        super().__init__()
        self.schedule = ShiftedSchedule()
        self.denoiser, self.loop = denoiser, loop
        # What the reference states as constants.
        self.defaults, self.defaults_hq = LTX_2_3, LTX_2_3_HQ
        self.distilled_sigmas, self.stage_2_sigmas = DISTILLED_SIGMAS, STAGE_2_SIGMAS


def load(request: Load) -> Denoise:
    """Give the stage around the model that the case asks for."""
    release = release_named(request.release)
    model = Model(_transformer(request) if request.options["model"] == "transformer" else StubModel())
    loop = Res2sLoop() if request.options["sampler"] == "res_2s" else EulerLoop()
    if not request.options["guided"]:
        return Denoise(SimpleDenoiser(model, release), loop)
    return Denoise(GuidedDenoiser(model, release, request.options.get("max_batch", 1)), loop)


def _transformer(request: Load) -> DenoisedPrediction:
    with refusals():
        checkpoint = CheckpointFile.open(request.files["checkpoint"])
        release = release_named(request.release)
        model = DenoisedPrediction(load_transformer(checkpoint, request.device, request.dtype, release))
    model.transformer.set_attention_backend(AttentionBackend(request.attention))
    return model


def call(model: nn.Module, forward: DenoisePass) -> None:
    """Run one schedule or one loop; what it computes is seen through hooks."""
    assert isinstance(model, Denoise)
    if isinstance(forward, SchedulePass):
        model.schedule(forward.steps, forward.grid)
        return
    model.loop(_evaluate(model.denoiser, forward), forward.sigmas, Pair(_stream(forward.video), _stream(forward.audio)))


def _evaluate(denoiser: nn.Module, forward: LoopPass) -> Any:
    text = Text(forward.video.context, forward.audio.context)
    if isinstance(denoiser, SimpleDenoiser):
        return SimpleRun(denoiser, text)
    assert isinstance(denoiser, GuidedDenoiser)
    assert forward.scales is not None
    negatives = forward.video.negative, forward.audio.negative
    negative = None if negatives[0] is None or negatives[1] is None else Text(negatives[0], negatives[1])
    video, audio = map(_scales, forward.scales)
    return GuidedRun(denoiser, text, Guidance(video, audio, negative))


def _stream(start: StreamStart) -> NoisyStream:
    return NoisyStream(start.latent, start.clean, start.mask, start.positions, held=start.held)


def _scales(given: Scales) -> GuidanceScales:
    return GuidanceScales(given.cfg, given.stg, given.blocks, given.modality, given.rescale, given.skip_step)
