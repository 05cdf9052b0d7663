"""Escapes names that come with data, since classes, files and kinds of defects may have any name.

A terminal obeys escape sequences and marks that change the direction of writing, a spreadsheet calculates cells that
begin with ``=``, and a shell splits words and runs commands. The modules that write HTML, Markdown and LaTeX have their
own escapes.
"""

import os
import re
import shlex

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")  # the start of a cell that a spreadsheet may calculate, or that looks escaped


def visible(text: str) -> str:
    """``text`` as one line for a terminal or a page. Characters that cannot be printed become escapes.

    These are line breaks, control characters, marks of direction and bytes that are not UTF-8: a line break is shown as
    a backslash and an n. Characters that can be printed stay as they are.
    """
    if text.isprintable():  # as nearly all are: a picture in a page has a million characters
        return text
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def argument(text: str) -> str:
    """``text`` as one argument of a command that a person copies into a shell.

    It is quoted where a POSIX shell needs it, and where zsh needs it, which replaces ``=a`` by the path of a program.
    Characters that cannot be printed are written as ``$'…'``, which bash, zsh and POSIX 2024 understand.
    """
    if text.isprintable():
        return f"'{text}'" if text == shlex.quote(text) and text.startswith("=") else shlex.quote(text)
    inside = "".join(
        letter.replace("\\", "\\\\").replace("'", "\\'") if letter.isprintable() else _bytes(letter) for letter in text
    )
    return f"$'{inside}'"


def csv_cell(text: str) -> str:
    """``text`` as a cell of a CSV table. If a spreadsheet would take it for a formula, ``'`` is put before it.

    A text that already begins with ``'`` and a formula gets another ``'``, so that ``from_csv_cell`` can restore every
    text.
    """
    return f"'{text}" if _FORMULA.match(text) else text


def from_csv_cell(text: str) -> str:
    """The text from which ``csv_cell`` made this cell."""
    return text[1:] if _FORMULA.match(text) and text.startswith("'") else text


def _escape(letter: str) -> str:
    return letter.encode("unicode_escape").decode()


def _bytes(letter: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(letter))
