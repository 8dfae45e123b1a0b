"""How the port refuses bad input."""


class InputError(ValueError):
    """A refusal in one line: where, what was found, what was expected, what to do next."""

    def __init__(self, where: str, got: str, expected: str, next_step: str):
        self.where, self.got, self.expected, self.next_step = map(_told, (where, got, expected, next_step))
        super().__init__(f"{self.where}: {self.got}; expected {self.expected}; {self.next_step}")


# Of one part of a refusal: paths and lists of names are shorter.
_MOST_CHARACTERS = 500


def _told(text: str) -> str:
    """Give text that may come from a file as part of one line: what does not print is escaped, the rest cut."""
    if not text.isprintable():
        text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"{text[:_MOST_CHARACTERS]}… ({len(text)} characters)"
