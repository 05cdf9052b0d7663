"""How a name from data is shown on each medium: a class, a file or a kind of defect may be called anything.

A terminal obeys escape sequences and marks that turn the direction of writing; a spreadsheet calculates cells that
begin with ``=``; a shell splits and runs. HTML, Markdown and LaTeX have their escapes where they are written.
"""

import os
import re
import shlex

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")  # how a cell begins that a spreadsheet might calculate, or that looks escaped


def visible(text: str) -> str:
    """``text`` as one line for a terminal or a page: what cannot be printed, or would steer, becomes its escape.

    Line breaks, control characters, marks of direction and bytes that are no UTF-8: ``a\\nb`` is shown with its
    backslash. What is visible already stays as it is.
    """
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def argument(text: str) -> str:
    """``text`` as one argument of a command that a person copies: quoted where a POSIX shell needs it, or zsh, to which
    ``=a`` is where the program ``a`` lies; what cannot be printed is written as bash, zsh and POSIX 2024 read it
    (``$'…'``)."""
    if text.isprintable():
        return f"'{text}'" if text == shlex.quote(text) and text.startswith("=") else shlex.quote(text)
    inside = "".join(
        letter.replace("\\", "\\\\").replace("'", "\\'") if letter.isprintable() else _bytes(letter) for letter in text
    )
    return f"$'{inside}'"


def csv_cell(text: str) -> str:
    """``text`` as a cell of a CSV table: with ``'`` before it where a spreadsheet would take it for a formula.

    So is one that begins with ``'`` and then so: ``from_csv_cell`` gives every text back as it was.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def from_csv_cell(text: str) -> str:
    """What ``csv_cell`` was given."""
    return text[1:] if _FORMULA.match(text) and text.startswith("'") else text


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def _bytes(letter: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(letter))
