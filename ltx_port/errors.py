"""How the port refuses bad input."""


class InputError(ValueError):
    """A refusal in one line: where, what was found, what was expected, what to do next."""

    def __init__(self, where: str, got: str, expected: str, next_step: str):
        self.where, self.got, self.expected, self.next_step = where, got, expected, next_step
        super().__init__(f"{where}: {got}; expected {expected}; {next_step}")
