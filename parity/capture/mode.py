"""What an implementation is fed while its taps are read."""

from enum import Enum


class Mode(Enum):
    """What an implementation is fed while its taps are read.

    CHAINED: its own values throughout. TEACHER_FORCED: each block receives the reference's block inputs.
    ISOLATED: every tapped value is replaced by the reference's as soon as it has been read, so that each module
    receives exactly what the reference's module received, and an error at a tap was born right there.
    """

    CHAINED = "chained"
    TEACHER_FORCED = "teacher-forced"
    ISOLATED = "isolated"
