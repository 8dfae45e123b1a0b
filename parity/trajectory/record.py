"""What a trajectory says."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median

SUSPECT = 8.0
"""A step is suspect where its own error is this many times the median of the others'."""


@dataclass(frozen=True)
class StepError:
    """The error of one tensor behind one step, relative L2.

    `chained`: on the candidate's own way. `local`: with the step fed the reference's state (the reset test).
    `gain`: what the reference's step makes of the error that the candidate received, all tensors together, over that
    error. None where it was not measured, or nothing was received.
    """

    step: int
    tensor: str
    chained: float
    local: float | None = None
    gain: float | None = None


@dataclass(frozen=True)
class GuidanceError:
    """What guidance makes of errors in one step: relative L2 of the result over that of the conditioned pass.

    None where the conditioned pass has no error.
    """

    step: int
    tensor: str
    chained: float | None
    local: float | None = None


@dataclass(frozen=True)
class Quality:
    """A measure of an outcome that somebody can see or hear: its name, unit and value; infinite for equal outcomes."""

    outcome: str
    measure: str
    unit: str
    value: float


@dataclass(frozen=True)
class Trajectory:
    """The drift of a candidate from a reference over denoise steps. `final` is each outcome's relative L2 error."""

    reference: str
    candidate: str
    steps: tuple[StepError, ...]
    guidance: tuple[GuidanceError, ...]
    final: Mapping[str, float]
    quality: tuple[Quality, ...]

    def suspects(self, factor: float = SUSPECT) -> tuple[int, ...]:
        """Name the steps that err by themselves, in any tensor, more than `factor` times the median of the others."""
        found = set()
        for one in self.steps:
            others = [
                other.local
                for other in self.steps
                if other.tensor == one.tensor and other.step != one.step and other.local is not None
            ]
            if one.local is not None and others and one.local > factor * median(others):
                found.add(one.step)
        return tuple(sorted(found))
