"""Classes: what an error is, against the noise of the reference."""

from parity.classify.decide import Seen, classify
from parity.classify.record import SEVERITY, Class, Classified, worst
from parity.classify.results import classify_forward

__all__ = ["SEVERITY", "Class", "Classified", "Seen", "classify", "classify_forward", "worst"]
