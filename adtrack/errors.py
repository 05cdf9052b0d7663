"""The exception whose text users read."""

from .naming import visible


class UserError(ValueError):
    """A mistake that the user can correct. The command line prints it without a traceback and exits with code 2.

    ``rule`` is a sentence with the rule and the value that breaks it, ``hint`` names a remedy:
    ``coreset fraction must be in (0, 1], but got 1.5. Hint: 0.01 keeps 1 % of the patches.``

    The text is always one line, even if a name in it contains line breaks or control characters.
    """

    def __init__(self, rule: str, hint: str = "") -> None:
        self.rule, self.hint = visible(rule), visible(hint)
        super().__init__(f"{self.rule} Hint: {self.hint}" if hint else self.rule)
