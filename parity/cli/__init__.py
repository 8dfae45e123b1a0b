"""The command line `ltx-parity`: results on stdout, logs and progress on stderr, documented exit codes."""

from parity.cli.main import main

__all__ = ["main"]
