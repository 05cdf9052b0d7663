"""The one exception that a user is meant to read."""


class UserError(ValueError):
    """A mistake that the user can mend; the command line prints it without a traceback and exits with 2.

    ``rule`` states the law and the value that broke it in one sentence, ``hint`` the remedy:
    ``coreset fraction must be in (0, 1], but got 1.5. Hint: 0.01 keeps 1 % of the patches.``
    """

    def __init__(self, rule: str, hint: str = "") -> None:
        super().__init__(f"{rule} Hint: {hint}" if hint else rule)
        self.rule, self.hint = rule, hint
