"""The official samplers and guidance, run as the pipelines run them.

They are functions and plain classes, so what they call is replaced by modules that call it and that hooks can go on.
"""

# Before any official module that imports torchaudio, or OpenImageIO in its stead.
import reference_dumps.official.openimageio_stand_in

import reference_dumps.official.torchaudio_without_extension  # noqa: F401  isort: skip

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from ltx_core.components import diffusion_steps
from ltx_core.components.diffusion_steps import EulerDiffusionStep, Res2sDiffusionStep
from ltx_core.components.guiders import MultiModalGuider, MultiModalGuiderFactory, MultiModalGuiderParams
from ltx_core.components.schedulers import LTX2Scheduler
from ltx_core.guidance.perturbations import PerturbationType
from ltx_core.types import LatentState
from ltx_pipelines.utils import samplers
from ltx_pipelines.utils.constants import (
    DISTILLED_SIGMA_VALUES,
    LTX_2_3_HQ_PARAMS,
    LTX_2_3_PARAMS,
    STAGE_2_DISTILLED_SIGMA_VALUES,
)
from torch import Tensor, nn

from parity.ltx23.stages.denoise.passes import DenoisePass, LoopPass, Scales, SchedulePass, StreamStart
from parity.ltx23.stages.denoise.stub import BLOCKS, StubModel
from parity.ltx23.terms import Load
from reference_dumps.official import transformer
from reference_dumps.official.operations import Operations, Shown

_SKIPPABLE = (
    PerturbationType.SKIP_VIDEO_SELF_ATTN,
    PerturbationType.SKIP_AUDIO_SELF_ATTN,
    PerturbationType.SKIP_A2V_CROSS_ATTN,
    PerturbationType.SKIP_V2A_CROSS_ATTN,
)
_GUIDER = {
    "cfg_difference": "sub",
    "cfg": "mul",
    "with_cfg": "add",
    "stg_difference": "sub",
    "stg": "mul",
    "with_stg": "add",
    "modality_difference": "sub",
    "modality": "mul",
    "combined": "add",
    "std_wanted": "std",
    "std_found": "std",
    "ratio": "div",
    "part": "mul",
    "factor": "add",
    "rescaled": "mul",
}
_EULER = {"interval": "sub", "difference": "sub", "quotient": "div", "move": "mul", "moved": "add"}


class Model(nn.Module):
    """The model, with a place to watch the noise level of each stream: one number, or one for each sample."""

    def __init__(self, model: Any):
        super().__init__()
        self.inner = model
        self.video_sigma, self.audio_sigma = Shown(), Shown()

    @property
    def num_blocks(self) -> int:
        """Number of transformer blocks."""
        inner: Any = self.inner
        return BLOCKS if isinstance(inner, StubModel) else inner.num_blocks

    def forward(self, video: Any, audio: Any, perturbations: Any) -> tuple[Tensor, Tensor]:
        """Give x0 of both streams."""
        batch = video.latent.shape[0]
        self.video_sigma(video.sigma.reshape(-1).expand(batch))
        self.audio_sigma(audio.sigma.reshape(-1).expand(batch))
        if isinstance(self.inner, StubModel):
            return self.inner(video, audio, _skips(perturbations, video.latent))
        return self.inner(video, audio, perturbations)


class Guide(nn.Module):
    """Runs a guider and shows its arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = Operations("MultiModalGuider.calculate", _GUIDER)

    def forward(self, guider: MultiModalGuider, cond: Any, uncond: Any, perturbed: Any, isolated: Any) -> Tensor:
        """Give the guided prediction."""
        plain = MultiModalGuider.calculate
        return self.operations.watch(plain, guider, cond, uncond, perturbed, isolated)


class Velocity(nn.Module):
    """Runs the velocity of an Euler step."""

    plain = staticmethod(diffusion_steps.to_velocity)

    def forward(self, sample: Tensor, sigma: Tensor, denoised_sample: Tensor) -> Tensor:
        """Give the velocity in the sample's dtype."""
        return self.plain(sample, sigma, denoised_sample)


class EulerStep(nn.Module):
    """Runs an Euler step and shows its arithmetic."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = Operations("EulerDiffusionStep.step", _EULER)
        self.velocity = Velocity()
        self.stepper = EulerDiffusionStep()

    def forward(self, sample: Tensor, denoised: Tensor, sigmas: Tensor, index: int) -> Tensor:
        """Give the next sample."""
        with _replaced(diffusion_steps, "to_velocity", self.velocity):
            return self.operations.watch(self.stepper.step, sample, denoised, sigmas, index)


class Blend(nn.Module):
    """Runs the blend with clean tokens."""

    plain = staticmethod(samplers.post_process_latent)

    def forward(self, denoised: Tensor, denoise_mask: Tensor, clean: Tensor) -> Tensor:
        """Give the blended prediction."""
        return self.plain(denoised, denoise_mask, clean)


class Share(nn.Module):
    """Runs the coefficients of noise injection."""

    def forward(self, sigma_next: Tensor, sigma_up: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give (factor of the sample, own noise level, fresh noise level)."""
        return Res2sDiffusionStep.get_sde_coeff(sigma_next, sigma_up=sigma_up)


class Mix(nn.Module):
    """Runs the step that injects noise."""

    def forward(self, step: Callable[..., Tensor], **given: Any) -> Tensor:
        """Give the noised sample."""
        return step(**given)


class Coefficients(nn.Module):
    """Runs the Runge-Kutta coefficients of a step."""

    plain = staticmethod(samplers.get_res2s_coefficients)

    def forward(self, h: Tensor, cache: Any, c2: float) -> Tensor:
        """Give the three coefficients in float64, which holds them exactly."""
        return torch.tensor(self.plain(h.item(), cache, c2), dtype=torch.float64)


class Schedule(nn.Module):
    """Runs the scheduler, with and without its last operation."""

    def __init__(self) -> None:
        super().__init__()
        self.shifted, self.stretched = Shown(), Shown()

    def forward(self, forward: SchedulePass) -> None:
        """Show both schedules."""
        latent = None if forward.grid is None else torch.empty(1, 128, *forward.grid)
        self.shifted(LTX2Scheduler().execute(forward.steps, latent, stretch=False))
        self.stretched(LTX2Scheduler().execute(forward.steps, latent))


class OfficialDenoise(nn.Module):
    """The root module."""

    def __init__(self, request: Load):
        super().__init__()
        real = request.options["model"] == "transformer"
        self.release, self.options = request.release, request.options
        self.model = Model(transformer.load(request) if real else StubModel())
        self.schedule = Schedule()
        self.guide_video, self.guide_audio = Guide(), Guide()
        self.blend, self.step = Blend(), EulerStep()
        self.share, self.mix, self.coefficients = Share(), Mix(), Coefficients()
        self.defaults, self.defaults_hq = LTX_2_3_PARAMS, LTX_2_3_HQ_PARAMS
        self.distilled_sigmas, self.stage_2_sigmas = DISTILLED_SIGMA_VALUES, STAGE_2_DISTILLED_SIGMA_VALUES

    def forward(self, forward: DenoisePass) -> None:
        """Run one pass."""
        if isinstance(forward, SchedulePass):
            self.schedule(forward)
            return
        states = _state(forward.video, self.release), _state(forward.audio, self.release)
        evaluate = self._evaluate_1_0_0(forward) if self.release == "1.0.0" else self._evaluate_1_2_0(forward)
        second_order = self.options["sampler"] == "res_2s"
        more: dict[str, Any] = {"model_dtype": forward.video.latent.dtype} if second_order else {}
        loop = samplers.res2s_audio_video_denoising_loop if second_order else samplers.euler_denoising_loop
        stepper = _Res2s(self.share, self.mix) if second_order else _Euler(self.step)
        with self._watched():
            loop(forward.sigmas, *states, stepper=stepper, **evaluate, **more)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(_replaced(samplers, "post_process_latent", self.blend))
            stack.enter_context(_replaced(samplers, "get_res2s_coefficients", self._coefficients))
            stack.enter_context(_replaced(samplers, "tqdm", lambda steps: steps))
            yield

    def _coefficients(self, h: float, cache: Any, c2: float) -> tuple[float, ...]:
        return tuple(self.coefficients(torch.tensor(h, dtype=torch.float64), cache, c2).tolist())

    def _guiders(self, forward: LoopPass) -> tuple["_Guider", "_Guider"]:
        assert forward.scales is not None
        return (
            _guider(self.guide_video, forward.scales[0], forward.video.negative),
            _guider(self.guide_audio, forward.scales[1], forward.audio.negative),
        )

    def _evaluate_1_0_0(self, forward: LoopPass) -> dict[str, Any]:
        from ltx_pipelines.utils import helpers

        contexts = forward.video.context, forward.audio.context
        if not self.options["guided"]:
            return {"denoise_fn": helpers.simple_denoising_func(*contexts, self.model)}
        video, audio = self._guiders(forward)
        if self.options["sampler"] == "res_2s":
            return {"denoise_fn": helpers.multi_modal_guider_denoising_func(video, audio, *contexts, self.model)}
        factories = _Factory(video), _Factory(audio)
        return {"denoise_fn": helpers.multi_modal_guider_factory_denoising_func(*factories, *contexts, self.model)}

    def _evaluate_1_2_0(self, forward: LoopPass) -> dict[str, Any]:
        from ltx_core.batch_split import BatchSplitAdapter
        from ltx_pipelines.utils import denoisers

        contexts = forward.video.context, forward.audio.context
        model = BatchSplitAdapter(self.model, self.options.get("max_batch", 1))
        if not self.options["guided"]:
            return {"transformer": model, "denoiser": denoisers.SimpleDenoiser(*contexts)}
        video, audio = self._guiders(forward)
        if self.options["sampler"] == "res_2s":
            return {"transformer": model, "denoiser": denoisers.GuidedDenoiser(*contexts, video, audio)}
        denoiser = denoisers.FactoryGuidedDenoiser(*contexts, _Factory(video), _Factory(audio))
        return {"transformer": model, "denoiser": denoiser}


class _Guider(MultiModalGuider):  # type: ignore[misc]
    """The official guider, run by a module that shows its arithmetic."""

    guide: Guide

    def calculate(self, cond: Any, uncond_text: Any, uncond_perturbed: Any, uncond_modality: Any) -> Tensor:
        return self.guide(self, cond, uncond_text, uncond_perturbed, uncond_modality)


class _Factory(MultiModalGuiderFactory):  # type: ignore[misc]
    """Gives one guider at every noise level, as a factory of constant parameters does."""

    def __init__(self, guider: _Guider):
        object.__setattr__(self, "guider", guider)

    def build_from_sigma(self, sigma: float | Tensor) -> _Guider:
        return self.guider


class _Euler(EulerDiffusionStep):  # type: ignore[misc]
    def __init__(self, module: EulerStep):
        self._module = module

    def step(self, sample: Tensor, denoised_sample: Tensor, sigmas: Tensor, step_index: int, **_: Any) -> Tensor:
        return self._module(sample, denoised_sample, sigmas, step_index)


class _Res2s(Res2sDiffusionStep):  # type: ignore[misc]
    def __init__(self, share: Share, mix: Mix):
        self._share, self._mix = share, mix

    def get_sde_coeff(self, sigma_next: Tensor, sigma_up: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self._share(sigma_next, sigma_up)

    def step(self, **given: Any) -> Tensor:
        return self._mix(super().step, **given)


def load(request: Load) -> nn.Module:
    """Give the official functions in one root module, around the model that the case asks for."""
    return OfficialDenoise(request)


def call(model: nn.Module, forward: DenoisePass) -> None:
    """Run one schedule or one loop; what it computes is seen through hooks."""
    model(forward)


def _state(start: StreamStart, release: str) -> LatentState:
    # 1.0.0 has no word for a stream that is held.
    more = {} if release == "1.0.0" else {"frozen": start.held}
    return LatentState(start.latent, start.mask, start.positions, start.clean, **more)


def _guider(guide: Guide, scales: Scales, negative: Tensor | None) -> _Guider:
    params = MultiModalGuiderParams(
        cfg_scale=scales.cfg,
        stg_scale=scales.stg,
        stg_blocks=list(scales.blocks),
        rescale_scale=scales.rescale,
        modality_scale=scales.modality,
        skip_step=scales.skip_step,
    )
    guider = _Guider(params, negative)
    object.__setattr__(guider, "guide", guide)
    return guider


def _skips(perturbations: Any, latent: Tensor) -> Tensor:
    """Give what each sample skips, as the stub is told of it."""
    if perturbations is None:
        return torch.zeros(latent.shape[0], len(_SKIPPABLE), BLOCKS, device=latent.device)
    keep = [[_kept(perturbations, kind, block) for block in range(BLOCKS)] for kind in _SKIPPABLE]
    return 1 - torch.stack([torch.stack(kind) for kind in keep]).permute(2, 0, 1).to(latent.device)


def _kept(perturbations: Any, kind: PerturbationType, block: int) -> Tensor:
    if hasattr(perturbations, "block_masks"):
        return perturbations.block_masks[kind, block].float()
    return perturbations.mask(kind, block, "cpu", torch.float32)


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    plain = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, plain)
