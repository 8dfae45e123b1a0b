"""The ways in which a comparison ends without a verdict, each with its exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What `ltx-parity` exits with."""

    WITHIN_BUDGET = 0
    OVER_BUDGET = 1
    BAD_INPUT = 2
    INCOMPLETE = 3


class ParityError(Exception):
    """A refusal in one line: where, what was found, what was expected, what to do next."""

    exit_code = ExitCode.BAD_INPUT

    def __init__(self, where: str, got: str, expected: str, next_step: str):
        self.where, self.got, self.expected, self.next_step = where, got, expected, next_step
        super().__init__(f"{where}: {got}; expected {expected}; {next_step}")

    def __reduce__(self) -> tuple[type["ParityError"], tuple[str, str, str, str]]:
        """Travel between processes by its parts: the message alone could not be made into the error again."""
        return type(self), (self.where, self.got, self.expected, self.next_step)


class BadInputError(ParityError):
    """The input cannot be read, or does not mean what it must."""

    exit_code = ExitCode.BAD_INPUT


class IncompleteError(ParityError):
    """Something that had to be compared was not there, was stale, or could not be compared."""

    exit_code = ExitCode.INCOMPLETE
