"""Capture: watch a running module through hooks, record what its taps show, feed it other values."""

from parity.capture.call_stack import CallStack
from parity.capture.mode import Mode
from parity.capture.probe import Probe
from parity.capture.selection import Selection
from parity.capture.visitors import Forcing, Recorder, Recording, Visitor, forced

__all__ = ["CallStack", "Forcing", "Mode", "Probe", "Recorder", "Recording", "Selection", "Visitor", "forced"]
