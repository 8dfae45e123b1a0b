"""Two torch modules side by side, as a test of any project compares them."""

from parity.pairing.document import to_document
from parity.pairing.pair import Pair, Terms, compare_pair
from parity.pairing.table import drift_table

__all__ = ["Pair", "Terms", "compare_pair", "drift_table", "to_document"]
