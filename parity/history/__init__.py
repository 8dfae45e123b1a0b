"""Runs over time: kept in brief, listed, compared, and told of in a report's page."""

from parity.history.brief import Brief, brief_of
from parity.history.compare import Comparison, compare_runs
from parity.history.shelf import Shelf, keep, open_run, shelf
from parity.history.telling import comparison_entry, history_entry

__all__ = [
    "Brief",
    "Comparison",
    "Shelf",
    "brief_of",
    "compare_runs",
    "comparison_entry",
    "history_entry",
    "keep",
    "open_run",
    "shelf",
]
