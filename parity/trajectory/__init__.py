"""Drift over denoise steps, where it is born, and what of it somebody sees or hears."""

from parity.trajectory.follow import follow
from parity.trajectory.record import GuidanceError, Quality, StepError, Trajectory
from parity.trajectory.series import StepTaps, compare_series

__all__ = ["GuidanceError", "Quality", "StepError", "StepTaps", "Trajectory", "compare_series", "follow"]
