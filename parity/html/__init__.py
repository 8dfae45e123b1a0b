"""A run as one HTML page: offline, in one file, with the terminal's numbers."""

from parity.html.page import to_html, write_html

__all__ = ["to_html", "write_html"]
