"""The port's refusals, in the harness's own terms and exit codes."""

from collections.abc import Iterator
from contextlib import contextmanager

from ltx_port.errors import InputError
from parity.errors import BadInputError


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the port refuses inside the block into a BadInputError."""
    try:
        yield
    except InputError as error:
        raise BadInputError(error.where, error.got, error.expected, error.next_step) from error
