"""Faults of the denoising stage: each function plants one, and its docstring says what is then wrong."""

from collections.abc import Callable
from dataclasses import replace
from types import MethodType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ltx_port.denoise.denoiser import Denoised, Guidance, GuidedDenoiser, Level, Pair, Text
from ltx_port.denoise.euler import EulerStep, Interval
from ltx_port.denoise.fresh_noise import FreshNoise, FreshShare
from ltx_port.denoise.guidance import Combine, Contrast, ContrastFactor, Push
from ltx_port.denoise.res_2s import Finish, MidpointLevel, Refine, StepCoefficients
from ltx_port.denoise.schedule import ShiftedSchedule, StretchSigmas
from ltx_port.denoise.stream import MaskBlend, TokenTimesteps
from ltx_port.transformer import ModalityInput, Perturbation
from parity.ltx23.fault import Faults
from parity.ltx23.stages.denoise.port import Model

AnyModule = TypeVar("AnyModule", bound=nn.Module)
FAULTS = Faults("denoise", case="denoise-small", forward="every_term")
SCHEDULE: dict[str, Any] = {"case": "denoise-schedule"}
HQ: dict[str, Any] = {"case": "denoise-hq"}


def _forward(model: nn.Module, kind: type[AnyModule], replacement: Callable[..., Any]) -> None:
    found = [module for module in model.modules() if isinstance(module, kind)]
    assert found, f"the port has no {kind.__name__} left to plant a fault in"
    for module in found:
        # On the instance, so that only this model is changed.
        module.forward = MethodType(replacement, module)


@FAULTS.planted("S7", first_tap="step00.video.combined", hint="rounding")
def guider_in_the_other_precision(model: nn.Module) -> None:
    """Guidance computed in float32 and rounded, where the release rounds each operation."""

    def push(self: Push, conditioned: Tensor, worse: Tensor | None, scale: float) -> Tensor:
        worse = torch.zeros_like(conditioned) if worse is None else worse
        return (scale * (conditioned.float() - worse.float())).to(conditioned.dtype)

    def combine(self: Combine, *terms: Tensor) -> Tensor:
        return sum(term.float() for term in terms).to(terms[0].dtype)  # type: ignore[union-attr]

    _forward(model, Push, push)
    _forward(model, Combine, combine)


@FAULTS.planted(
    "S8", first_tap="step00.video.std_wanted", hint="statistic: root mean square; x0_cond; standard deviation"
)
def root_mean_square(model: nn.Module) -> None:
    """Contrast measured by the root mean square, not the standard deviation."""

    def forward(self: Contrast, x: Tensor) -> Tensor:
        return x.square().mean().sqrt()

    _forward(model, Contrast, forward)


@FAULTS.planted(
    "ZD1",
    first_tap="step00.video.std_wanted",
    hint="statistic: mean of the samples' standard deviations; x0_cond",
    case="denoise-pairs",
    forward="pairs",
)
def contrast_per_sample(model: nn.Module) -> None:
    """Contrast measured in each sample, not over the whole batch."""

    def forward(self: Contrast, x: Tensor) -> Tensor:
        return x.std(dim=(1, 2)).mean()

    _forward(model, Contrast, forward)


# In bfloat16 the two agree after rounding.
@FAULTS.planted(
    "P12",
    first_tap="step00.video.std_wanted",
    hint="statistic: is the standard deviation (n); is its standard deviation (n - 1)",
    dtype=torch.float32,
)
def biased_deviation(model: nn.Module) -> None:
    """Standard deviation divided by n, not n - 1."""

    def forward(self: Contrast, x: Tensor) -> Tensor:
        return x.std(correction=0)

    _forward(model, Contrast, forward)


@FAULTS.planted("ZD2", first_tap="step00.video.combined", hint="rounding")
def terms_first(model: nn.Module) -> None:
    """Guidance terms added up before they are added to the prediction."""

    def forward(self: Combine, conditioned: Tensor, text: Tensor, perturbed: Tensor, isolated: Tensor) -> Tensor:
        return conditioned + (text + perturbed + isolated)

    _forward(model, Combine, forward)


@FAULTS.planted("ZD3", first_tap="step00.video.factor")
def rescale_of_the_rest(model: nn.Module) -> None:
    """Rescale swapped with its remainder."""
    exact = ContrastFactor.forward

    def forward(self: ContrastFactor, wanted: Tensor, found: Tensor, rescale: float) -> Tensor:
        return exact(self, wanted, found, 1 - rescale)

    _forward(model, ContrastFactor, forward)


@FAULTS.planted("ZD4", first_tap="step00.video.next", hint="rounding")
def velocity_not_rounded(model: nn.Module) -> None:
    """Euler step taken with the velocity in float32, before it is rounded."""

    def forward(self: EulerStep, sample: Tensor, x0: Tensor, sigma: Tensor, following: Tensor) -> Tensor:
        self.velocity(sample, x0, sigma)
        exact = (sample.float() - x0.float()) / sigma.item()
        return self.advance(sample, exact, self.interval(sigma, following))

    _forward(model, EulerStep, forward)


@FAULTS.planted("ZD5", first_tap="step00.video.interval", hint="sign")
def backwards(model: nn.Module) -> None:
    """Steps towards noise: the interval's sign is wrong."""

    def forward(self: Interval, sigma: Tensor, following: Tensor) -> Tensor:
        return sigma - following

    _forward(model, Interval, forward)


@FAULTS.planted("ZD6", first_tap="step00.video.blended", hint="tensor: step00.video.guided")
def clean_tokens_forgotten(model: nn.Module) -> None:
    """Clean tokens not blended in before the step."""

    def forward(self: MaskBlend, x: Tensor, mask: Tensor, clean: Tensor) -> Tensor:
        return x

    _forward(model, MaskBlend, forward)


@FAULTS.planted("ZD7", first_tap="step00.pass_stg.video.x0")
def next_block_perturbed(model: nn.Module) -> None:
    """Perturbed blocks counted from one."""
    exact = Model.forward

    def forward(
        self: Model, video: ModalityInput, audio: ModalityInput, perturbations: list[Perturbation]
    ) -> tuple[Tensor, Tensor]:
        return exact(self, video, audio, [Perturbation(_moved(sample)) for sample in perturbations])

    def _moved(sample: Perturbation) -> dict[Any, frozenset[int] | None]:
        return {kind: blocks and frozenset(block + 1 for block in blocks) for kind, blocks in sample.skips.items()}

    _forward(model, Model, forward)


def _guidance(model: nn.Module, change: Callable[[Guidance, Text], Guidance]) -> None:
    exact = GuidedDenoiser.forward

    def forward(
        self: GuidedDenoiser, streams: Pair, text: Text, level: Level, guidance: Guidance, last: Denoised | None
    ) -> Denoised:
        return exact(self, streams, text, level, change(guidance, text), last)

    _forward(model, GuidedDenoiser, forward)


@FAULTS.planted("ZD8", first_tap="step00.pass_neg.video.context", hint="tensor: pass_cond.video.context")
def prompt_against_itself(model: nn.Module) -> None:
    """Negative pass told the positive prompt."""
    _guidance(model, lambda guidance, text: replace(guidance, negative=text))


@FAULTS.planted("ZD9", first_tap="step00.audio.cfg", hint="factor: 0.5")
def scale_of_the_other_stream(model: nn.Module) -> None:
    """Sound guided by the picture's scale."""
    _guidance(model, lambda guidance, _: replace(guidance, audio=replace(guidance.audio, cfg=guidance.video.cfg)))


@FAULTS.planted("ZD10", first_tap="step00.pass_cond.video.timesteps", hint="broadcast: axis 1")
def level_of_the_sample(model: nn.Module) -> None:
    """Every token told the noise level of the sample, clean ones too."""
    exact = TokenTimesteps.forward

    def forward(self: TokenTimesteps, mask: Tensor, sigma: Tensor) -> Tensor:
        return exact(self, torch.ones_like(mask), sigma)

    _forward(model, TokenTimesteps, forward)


@FAULTS.planted(
    "ZD11", first_tap="schedule.sigmas", hint="affine: 1.05556; minus; 0.0555556", forward="default", **SCHEDULE
)
def stretched_further(model: nn.Module) -> None:
    """Schedule stretched to another terminal level."""

    def forward(self: StretchSigmas, sigmas: Tensor) -> Tensor:
        removed = 1 - sigmas
        return torch.where(sigmas != 0, 1 - removed * (1 - 0.05) / removed[-2], sigmas)

    _forward(model, StretchSigmas, forward)


@FAULTS.planted(
    "ZD12",
    first_tap="schedule.shifted",
    hint="function: reciprocal of it; 0.2471; reciprocal of the reference",
    forward="small_clip",
    **SCHEDULE,
)
def tokens_of_any_clip(model: nn.Module) -> None:
    """Schedule of 4096 tokens where that of the clip is asked for."""
    exact = ShiftedSchedule.forward

    def forward(self: ShiftedSchedule, steps: int, grid: tuple[int, int, int] | None = None) -> Tensor:
        return exact(self, steps)

    _forward(model, ShiftedSchedule, forward)


@FAULTS.planted("ZD13", first_tap="step00.middle", hint="formula: mean of", **HQ)
def arithmetic_middle(model: nn.Module) -> None:
    """Midpoint in the noise level, not in its logarithm."""

    def forward(self: MidpointLevel, sigma: Tensor, following: Tensor) -> Tensor:
        return (sigma + following) / 2

    _forward(model, MidpointLevel, forward)


@FAULTS.planted("ZD14", first_tap="step00.coefficients", **HQ)
def second_function_of_the_first(model: nn.Module) -> None:
    """Second-order coefficients from phi_1 where phi_2 is due."""
    phi = StepCoefficients.phi

    def forward(self: StepCoefficients, h: Tensor) -> Tensor:
        first = phi(1, -h.item())
        return torch.tensor([0.5 * phi(1, -h.item() / 2), first / 2, first / 2], dtype=torch.float64)

    _forward(model, StepCoefficients, forward)


@FAULTS.planted("ZD15", first_tap="step00.video.half_noise", hint="affine: 0.8891; plus; 0.0415", **HQ)
def noise_as_it_is_drawn(model: nn.Module) -> None:
    """Fresh noise not brought to mean 0 and deviation 1."""

    def forward(self: FreshNoise, like: Tensor, generator: torch.Generator) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=torch.float64)

    _forward(model, FreshNoise, forward)


@FAULTS.planted("ZD16", first_tap="step00.video.half_own", hint="tensor: half_fresh", **HQ)
def variance_shared_linearly(model: nn.Module) -> None:
    """Own and fresh noise add up in level, not in variance."""

    def forward(self: FreshShare, following: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        own = (following**2 * 0.75) ** 0.5
        factor = 1 - following + own
        return factor, following * 0.5, following * 0.5

    _forward(model, FreshShare, forward)


@FAULTS.planted("ZD17", first_tap="step00.video.anchor", hint="formula: half_noised", **HQ)
def refined_once(model: nn.Module) -> None:
    """Anchor refined once, not a hundred times."""

    def forward(self: Refine, noised: Tensor, x0: Tensor, direction: Tensor, reach: float) -> tuple[Tensor, Tensor]:
        anchor = noised - reach * direction
        return anchor, x0.double() - anchor

    _forward(model, Refine, forward)


@FAULTS.planted("ZD18", first_tap="step00.video.following", hint="formula: video.anchor; video.blended_again", **HQ)
def first_order(model: nn.Module) -> None:
    """Step finished by the second evaluation alone."""

    def forward(self: Finish, anchor: Tensor, directions: tuple[Tensor, Tensor], h: float, coefficients: Any) -> Tensor:
        return anchor + h * (coefficients.first + coefficients.second) * directions[1]

    _forward(model, Finish, forward)


@FAULTS.planted("ZD19", first_tap="step00.video.noise", hint="tensor: step00.video.half_noise", **HQ)
def one_generator(model: nn.Module) -> None:
    """Noise of the step drawn from the generator of midpoints, started anew."""
    exact = FreshNoise.forward

    def forward(self: FreshNoise, like: Tensor, generator: torch.Generator) -> Tensor:
        if generator.initial_seed() != 9999:
            generator = torch.Generator().manual_seed(9999)
        return exact(self, like, generator)

    _forward(model, FreshNoise, forward)
