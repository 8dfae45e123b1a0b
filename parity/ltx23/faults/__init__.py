"""Known faults, planted on purpose."""

from parity.ltx23.faults import transformer
from parity.ltx23.faults.registry import FAULTS, Fault

__all__ = ["FAULTS", "Fault", "transformer"]
