"""What part of the model each tap shows: the table that blame reads."""

from functools import cache
from pathlib import Path

from parity.blame import Operations


@cache
def operations() -> Operations:
    """Give the table, read once."""
    return Operations.load(Path(__file__).with_name("operations.toml"))
