"""Taps: declared names of the tensors to compare, and where each implementation shows them."""

from parity.taps.catalogue import Catalogue
from parity.taps.plan import CallSite, TapPlan, TapPoint
from parity.taps.port import Port

__all__ = ["CallSite", "Catalogue", "Port", "TapPlan", "TapPoint"]
