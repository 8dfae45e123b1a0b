"""The stages, in the order of the data path."""

from dataclasses import dataclass

from parity.errors import BadInputError
from parity.judge import Budgets
from parity.ltx23.fault import Fault
from parity.ltx23.stage import Case, Stage
from parity.ltx23.stages.audio_vae import AUDIO_VAE
from parity.ltx23.stages.denoise import DENOISE
from parity.ltx23.stages.latents import LATENTS
from parity.ltx23.stages.lora import LORA
from parity.ltx23.stages.mp4 import MP4
from parity.ltx23.stages.picture import PICTURE
from parity.ltx23.stages.pipeline import PIPELINE
from parity.ltx23.stages.text import TEXT
from parity.ltx23.stages.transformer import TRANSFORMER
from parity.ltx23.stages.upsampler import UPSAMPLER
from parity.ltx23.stages.video_vae import VIDEO_VAE
from parity.ltx23.stages.vocoder import VOCODER

STAGES: dict[str, Stage] = {
    stage.id: stage
    for stage in (
        TEXT,
        PICTURE,
        LATENTS,
        TRANSFORMER,
        DENOISE,
        UPSAMPLER,
        VIDEO_VAE,
        AUDIO_VAE,
        VOCODER,
        MP4,
        LORA,
        PIPELINE,
    )
}
CASES: dict[str, Case] = {case.id: case for stage in STAGES.values() for case in stage.cases}
FAULTS: dict[str, Fault] = {fault.id: fault for stage in STAGES.values() for fault in stage.faults}

assert len(CASES) == sum(len(stage.cases) for stage in STAGES.values()), "two cases share a name"
assert len(FAULTS) == sum(len(stage.faults) for stage in STAGES.values()), "two faults share a name"

_STAGE_OF = {case.id: stage for stage in STAGES.values() for case in stage.cases}


def stage_of(case: Case) -> Stage:
    """Give the stage that a case belongs to."""
    return _STAGE_OF[case.id]


def budgets_of_all_stages() -> Budgets:
    """Give a fresh table of the budgets of all stages."""
    return Budgets.merged(Budgets.load(stage.budgets, f"{stage.id}.") for stage in STAGES.values())


@dataclass(frozen=True)
class Choice:
    """Which cases a run takes: all tiny ones of all stages, unless something is named.

    `real_size` takes those at real size instead, `config` those of one configuration, of any size. Resident cases are
    taken in `lockstep` alone, thorough ones when they are named.
    """

    ids: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    real_size: bool = False
    config: str | None = None
    lockstep: bool = False

    def takes(self, case: Case) -> bool:
        """Whether a case that is not named is run."""
        sized = case.real_size == self.real_size if self.config is None else case.config == self.config
        return sized and not case.thorough and (self.lockstep or not case.resident)


_EVERYTHING = Choice()


def chosen_cases(choice: Choice = _EVERYTHING) -> list[Case]:
    """Give the cases of a choice.

    BadInputError for a stage, a configuration or an id that does not exist, an id that is of none of the stages, or a
    resident case without lockstep.
    """
    ids, stages = choice.ids, choice.stages
    for stage in stages:
        if stage not in STAGES:
            raise BadInputError(f"stage {stage!r}", "unknown", f"one of {', '.join(STAGES)}", "choose one")
    known = {case.id: case for case in CASES.values() if not stages or _STAGE_OF[case.id].id in stages}
    unknown = [case for case in ids if case not in known]
    if unknown:
        raise BadInputError(f"case {unknown[0]!r}", "unknown", f"one of {', '.join(known)}", "choose one")
    configs = sorted({case.config for case in known.values()})
    if choice.config is not None and choice.config not in configs:
        raise BadInputError(f"config {choice.config!r}", "no case has it", f"one of {', '.join(configs)}", "choose one")
    alone = [case for case in ids if known[case].resident and not choice.lockstep]
    if alone:
        raise BadInputError(
            f"case {alone[0]!r}", "it has no checkpoint file", "a run of both sides at once", "add --live"
        )
    return [known[case] for case in ids] if ids else [case for case in known.values() if choice.takes(case)]
