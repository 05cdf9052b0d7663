"""Settings that describe themselves: a field of a specification with its help, its check and what a study tries.

The command line's options, the parameters of a run, the space of a study and its columns, and the sentences that refuse
a value are all derived from these descriptions, so a method that declares its fields has everything else.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from .errors import UserError

Check = Callable[[str, Any], None]  # raises UserError of a label and a value that it does not allow
_KEY = "setting"  # in a field's metadata
MEANT = "meant"  # there, too


def added_later(meant: object) -> dict[str, object]:
    """Metadata of a record's field that the first records did not have, with the value that they ``meant``."""
    return {MEANT: meant}


@dataclass(frozen=True)
class Kind:
    """How the values of a setting are written.

    ``words`` completes "must be …"; ``parse`` makes a value of a text and raises ValueError if it cannot; ``plain``
    makes of a value what Optuna and JSON can hold, and ``value`` the value again of that; ``text`` writes it as users
    type it.
    """

    words: str
    parse: Callable[[str], Any]
    plain: Callable[[Any], Any] = lambda value: value
    text: Callable[[Any], str] = str
    value: Callable[[Any], Any] = lambda plain: plain


def _switch(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _whole_or_none(text: str) -> int | None:
    return None if text.lower() == "none" else int(text)


def parse_layers(text: str) -> tuple[str, ...]:
    """``"layer2+layer3"`` → ``("layer2", "layer3")``."""
    return tuple(part.strip() for part in text.split("+"))


def layers_text(layers: Iterable[str]) -> str:
    """``("layer2", "layer3")`` → ``"layer2+layer3"``."""
    return "+".join(layers)


WHOLE = Kind("a whole number", int)
WHOLE_OR_NONE = Kind("a whole number or none", _whole_or_none)
NUMBER = Kind("a number", float)
SWITCH = Kind("true or false", _switch)
TEXT = Kind("a word", str)
LAYERS = Kind("layer names joined by +", parse_layers, layers_text, layers_text, parse_layers)


@dataclass(frozen=True)
class Setting:
    """One field of a specification, described.

    ``name`` is the field's; ``key`` is what users, runs and studies call it. ``tries`` are the values that a study
    tries by default; without any it is not searched unless it is asked for. ``brief`` is how a value is written in a
    title (``p{}``), or "" where a title leaves it out. ``option`` says whether the command line has an option of that
    name for it; every setting can be given by ``--options`` and ``--space``.
    """

    name: str
    key: str
    kind: Kind
    default: Any
    help: str
    check: Check
    tries: tuple[Any, ...]
    brief: str
    option: bool

    @property
    def label(self) -> str:
        """As sentences name it: ``coreset fraction``."""
        return self.key.replace("_", " ")

    @property
    def heading(self) -> str:
        """As tables name it, on two lines where it has two words: ``Coreset\\nfraction``."""
        return self.label.capitalize().replace(" ", "\n", 1)

    def parse(self, text: str) -> Any:
        """The value that a user has typed. UserError: it is none of this kind, or one that is not allowed."""
        try:
            value = self.kind.parse(text.strip())
        except (ValueError, KeyError) as error:
            raise UserError(f"{self.label} must be {self.kind.words}, but got {text!r}.") from error
        self.check(self.label, value)
        return value

    def text(self, value: Any) -> str:
        """A value as users type it and as runs log it."""
        return self.kind.text(value)


def setting(
    default: Any,
    kind: Kind,
    help: str,
    check: Check = lambda label, value: None,
    *,
    key: str = "",
    tries: Iterable[Any] = (),
    brief: str = "",
    option: bool = False,
    later: bool = False,
) -> Any:
    """A dataclass field that describes itself (see ``Setting``); without a ``key`` it is called as the field.

    ``later`` says that specifications before it had no such field and meant the default, so their digests stay.
    """
    described = Setting("", key, kind, default, help, check, tuple(tries), brief, option)
    meant = added_later(default) if later else {}
    return field(default=default, metadata={_KEY: described, **meant})


def settings(spec: Any) -> tuple[Setting, ...]:
    """The settings of a specification or of its class, in the order of its fields."""
    found = []
    for one in fields(spec):
        described: Setting | None = one.metadata.get(_KEY)
        if described is not None:
            found.append(replace(described, name=one.name, key=described.key or one.name))
    return tuple(found)


def check_settings(spec: Any) -> None:
    """Refuse a specification that has a value which its setting does not allow."""
    for one in settings(spec):
        one.check(one.label, getattr(spec, one.name))


def setting_of(spec: Any, key: str, what: str) -> Setting:
    """The setting that is called ``key``. UserError: ``what`` (as in "options of patchcore") has no such one."""
    known = {one.key: one for one in settings(spec)}
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        raise UserError(
            f"{what} must be among {', '.join(known) or 'none'}, but got {key!r}.",
            f"did you mean {near[0]}?" if near else "",
        )
    return known[key]


def plain_settings(spec: Any) -> dict[str, Any]:
    """{key: value} of all settings, as Optuna and JSON can hold them: layers as ``layer2+layer3``."""
    return {one.key: one.kind.plain(getattr(spec, one.name)) for one in settings(spec)}


def setting_texts(spec: Any) -> dict[str, str]:
    """{key: text} of all settings, as runs log them."""
    return {one.key: one.text(getattr(spec, one.name)) for one in settings(spec)}


def parse_pairs(text: str, what: str, separator: str, example: str) -> dict[str, str]:
    """``"epochs=20,lr=0.001"`` → ``{"epochs": "20", "lr": "0.001"}``; nothing of an empty text."""
    pairs: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(separator))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not value or name in pairs:
            joined = {",": "commas", ";": "semicolons"}[separator]
            raise UserError(
                f"{what} must be different name=value pairs joined by {joined}, but got {text!r}.",
                f"for example {example}.",
            )
        pairs[name] = value
    return pairs


def given_values(spec: Any, texts: Mapping[str, str], what: str) -> dict[str, Any]:
    """{field's name: value} of settings that were typed by their keys. UserError: unknown ones, values not allowed."""
    found = {}
    for key, text in texts.items():
        one = setting_of(spec, key, what)
        found[one.name] = one.parse(text)
    return found


def whole(label: str, value: object, least: int, hint: str = "", most: int | None = None) -> None:
    """Refuse a value that is no whole number, or none between ``least`` and ``most``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserError(f"{label} must be a whole number of at least {least}, but got {value!r}.", hint)
    if most is not None and value > most:
        raise UserError(f"{label} must be a whole number of at most {most}, but got {value!r}.", hint)


def at_least(least: int, hint: str = "", most: int | None = None) -> Check:
    """A check for whole numbers."""
    return lambda label, value: whole(label, value, least, hint, most)


def within(low: float, high: float, hint: str = "", *, low_included: bool = True) -> Check:
    """A check for numbers in [low, high], or in (low, high]."""
    bracket = "[" if low_included else "("

    def check(label: str, value: object) -> None:
        # A NaN is in no interval: it compares as false.
        inside = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        if not inside or (value == low and not low_included):
            raise UserError(f"{label} must be in {bracket}{low:g}, {high:g}], but got {value}.", hint)

    return check


def one_of(*names: str) -> Check:
    """A check for one of a few words."""

    def check(label: str, value: object) -> None:
        if value not in names:
            raise UserError(f"{label} must be one of {', '.join(names)}, but got {value!r}.")

    return check
