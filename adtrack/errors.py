"""The one exception that a user is meant to read."""

from .naming import visible


class UserError(ValueError):
    """A mistake that the user can mend; the command line prints it without a traceback and exits with 2.

    ``rule`` states the law and the value that broke it in one sentence, ``hint`` the remedy:
    ``coreset fraction must be in (0, 1], but got 1.5. Hint: 0.01 keeps 1 % of the patches.``

    It is one line whatever a name in it holds, wherever it is shown: in a terminal, a table, on a page.
    """

    def __init__(self, rule: str, hint: str = "") -> None:
        self.rule, self.hint = visible(rule), visible(hint)
        super().__init__(f"{self.rule} Hint: {self.hint}" if hint else self.rule)
