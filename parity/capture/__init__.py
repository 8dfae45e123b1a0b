"""Capture: watch a running module through hooks, record what its taps show, feed it other values."""

from parity.capture.call_stack import CallStack
from parity.capture.mode import Mode
from parity.capture.probe import Probe, as_another_side
from parity.capture.selection import Selection
from parity.capture.visitors import Forcing, Recorder, Recording, Visitor, forced
from parity.capture.watch import Watch

__all__ = [
    "CallStack",
    "Forcing",
    "Mode",
    "Probe",
    "Recorder",
    "Recording",
    "Selection",
    "Visitor",
    "Watch",
    "as_another_side",
    "forced",
]
