"""A run as one HTML page: offline, in one file, with the terminal's numbers."""

from parity.html.library import require_plots
from parity.html.page import to_html, write_html

__all__ = ["require_plots", "to_html", "write_html"]
