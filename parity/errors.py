"""The ways in which a comparison ends without a verdict, each with its exit code."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What `ltx-parity` exits with."""

    WITHIN_BUDGET = 0
    OVER_BUDGET = 1
    BAD_INPUT = 2
    INCOMPLETE = 3


# Of one part of a refusal: paths and lists of names are shorter.
_MOST_CHARACTERS = 500


def told(text: str) -> str:
    """Give text that may come from a file as part of one line: what does not print is escaped, the rest cut."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"{text[:_MOST_CHARACTERS]}… ({len(text)} characters)"


class ParityError(Exception):
    """A refusal in one line: where, what was found, what was expected, what to do next."""

    exit_code = ExitCode.BAD_INPUT

    def __init__(self, where: str, got: str, expected: str, next_step: str):
        self.where, self.got, self.expected, self.next_step = map(told, (where, got, expected, next_step))
        super().__init__(f"{self.where}: {self.got}; expected {self.expected}; {self.next_step}")

    def __reduce__(self) -> tuple[type["ParityError"], tuple[str, str, str, str]]:
        """Travel between processes by its parts: the message alone could not be made into the error again."""
        return type(self), (self.where, self.got, self.expected, self.next_step)


class BadInputError(ParityError):
    """The input cannot be read, or does not mean what it must."""

    exit_code = ExitCode.BAD_INPUT


class IncompleteError(ParityError):
    """Something that had to be compared was not there, was stale, or could not be compared."""

    exit_code = ExitCode.INCOMPLETE
