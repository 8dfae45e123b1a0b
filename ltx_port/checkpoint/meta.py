"""Modules without weights, built to the sizes that a file asks for."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ltx_port.errors import InputError


@contextmanager
def on_meta(name: str) -> Iterator[None]:
    """Build on the meta device; InputError, naming the component, for sizes that no module can have."""
    try:
        with torch.device("meta"):
            yield
    except InputError:
        raise
    except (RuntimeError, ValueError, OverflowError) as error:
        got = f"cannot be built ({' '.join(str(error).split()):.200})"
        raise InputError(f"{name}: config", got, "sizes that a model can have", "get the file again") from error
