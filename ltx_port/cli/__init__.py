"""`ltx-generate`: from the command line to a clip."""

from ltx_port.cli.command import main

__all__ = ["main"]
