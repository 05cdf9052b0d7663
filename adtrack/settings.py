"""Settings: fields of a specification that hold their help, their check and the values that a study tries.

The command line's options, the parameters of runs, the spaces and columns of studies, and the messages that refuse a
value are all derived from these descriptions. A method only declares its fields.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

from .errors import UserError

ValueCheck = Callable[[str, Any], None]  # takes a label and a value, and raises UserError if the value is not allowed
# Keys of a field's metadata: its Setting, and the value that records without the field meant.
_KEY = "setting"
MEANT = "meant"


def added_later(meant: object) -> dict[str, object]:
    """Metadata for a field that older records do not have; ``meant`` is the value that these records imply."""
    return {MEANT: meant}


@dataclass(frozen=True)
class Kind:
    """How the values of a setting are read and written.

    ``words`` completes the sentence "… must be …". ``parse`` turns a text into a value, and raises ValueError or
    KeyError if it cannot. ``text`` turns a value into the text that users type. ``plain`` turns a value into one that
    Optuna and JSON can hold, and ``value`` turns that back.
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
    """The description of one field of a specification.

    ``name`` is the name of the field, and ``key`` its name for users, runs and studies. ``usual`` is what a user means
    who gives no value: the default, or a word for what depends on other choices, such as the network. ``tries`` are the
    values that a study tries by default; if there are none, a study varies the setting only on request. ``brief`` is
    the format of a value in a title (``p{}``), or "" if titles leave it out. ``option`` says whether the command line
    has an option of its own for the setting; ``--options`` and ``--space`` take every setting.
    """

    name: str
    key: str
    kind: Kind
    default: Any
    usual: Any
    help: str
    check: ValueCheck
    tries: tuple[Any, ...]
    brief: str
    option: bool

    @property
    def label(self) -> str:
        """The name in sentences: ``coreset fraction``."""
        return self.key.replace("_", " ")

    @property
    def heading(self) -> str:
        """The heading in tables, on two lines if it has two words: ``Coreset\\nfraction``."""
        return self.label.capitalize().replace(" ", "\n", 1)

    def parse(self, text: str) -> Any:
        """The value that a user has typed. UserError if it is of another kind or not allowed."""
        try:
            value = self.kind.parse(text.strip())
        except (ValueError, KeyError) as error:
            raise UserError(f"{self.label} must be {self.kind.words}, but got {text!r}.") from error
        self.check(self.label, value)
        return value

    def text(self, value: Any) -> str:
        """The text of a value, as users type it and runs log it."""
        return self.kind.text(value)


def setting(
    default: Any,
    kind: Kind,
    help: str,
    check: ValueCheck = lambda label, value: None,
    *,
    key: str = "",
    tries: Iterable[Any] = (),
    brief: str = "",
    option: bool = False,
    later: bool = False,
    usual: Any = None,
) -> Any:
    """A dataclass field with a description (see ``Setting``). Without ``key``, the key is the name of the field.

    ``later`` says that older specifications do not have the field and mean the default. Their digests stay the same.
    ``usual`` is the default if it is None.
    """
    usual = default if usual is None else usual
    described = Setting("", key, kind, default, usual, help, check, tuple(tries), brief, option)
    meant = added_later(default) if later else {}
    return field(default=default, metadata={_KEY: described, **meant})


def settings(spec: Any) -> tuple[Setting, ...]:
    """The settings of a specification or of its class, in the order of its fields."""
    return _settings(spec if isinstance(spec, type) else type(spec))


@cache
def _settings(kind: type[Any]) -> tuple[Setting, ...]:
    found = []
    for one in fields(kind):
        described: Setting | None = one.metadata.get(_KEY)
        if described is not None:
            found.append(replace(described, name=one.name, key=described.key or one.name))
    return tuple(found)


def added_settings(spec: Any) -> tuple[Setting, ...]:
    """The settings that older specifications do not have."""
    names = {field.name for field in fields(spec) if MEANT in field.metadata}
    return tuple(one for one in settings(spec) if one.name in names)


def check_settings(spec: Any) -> None:
    """Raise UserError if a value of a specification is not allowed."""
    for one in settings(spec):
        one.check(one.label, getattr(spec, one.name))


def setting_of(spec: Any, key: str, what: str) -> Setting:
    """The setting with this key. UserError if there is none; ``what`` begins its sentence ("options of patchcore")."""
    known = {one.key: one for one in settings(spec)}
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        raise UserError(
            f"{what} must be among {', '.join(known) or 'none'}, but got {key!r}.",
            f"did you mean {near[0]}?" if near else "",
        )
    return known[key]


def usual_texts(spec: Any) -> dict[str, str]:
    """{key: text} of the settings of which users mean something else than the default when they give no value."""
    return {one.key: one.text(one.usual) for one in settings(spec) if one.usual != one.default}


def plain_settings(spec: Any) -> dict[str, Any]:
    """{key: value} of all settings, with values that Optuna and JSON can hold: layers as ``layer2+layer3``."""
    return {one.key: one.kind.plain(getattr(spec, one.name)) for one in settings(spec)}


def setting_texts(spec: Any) -> dict[str, str]:
    """{key: text} of all settings, with the texts that runs log."""
    return {one.key: one.text(getattr(spec, one.name)) for one in settings(spec)}


def parse_pairs(text: str, what: str, separator: str, example: str) -> dict[str, str]:
    """``"epochs=20,lr=0.001"`` → ``{"epochs": "20", "lr": "0.001"}``. An empty text has no pairs."""
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


def given_values(spec: Any, given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """{name of the field: value} for {key: typed text, or the value itself}. UserError if a key is unknown or a value
    is not allowed."""
    found = {}
    for key, value in given.items():
        one = setting_of(spec, key, what)
        if isinstance(value, str):
            value = one.parse(value)
        else:
            one.check(one.label, value)
        found[one.name] = value
    return found


def whole(label: str, value: object, least: int, hint: str = "", most: int | None = None) -> None:
    """Raise UserError unless a value is a whole number from ``least`` to ``most``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserError(f"{label} must be a whole number of at least {least}, but got {value!r}.", hint)
    if most is not None and value > most:
        raise UserError(f"{label} must be a whole number of at most {most}, but got {value!r}.", hint)


def at_least(least: int, hint: str = "", most: int | None = None) -> ValueCheck:
    """A check that a value is a whole number from ``least`` to ``most``."""
    return lambda label, value: whole(label, value, least, hint, most)


def within(low: float, high: float, hint: str = "", *, low_included: bool = True) -> ValueCheck:
    """A check that a value is a number in [low, high], or in (low, high] if ``low_included`` is false."""
    bracket = "[" if low_included else "("

    def check(label: str, value: object) -> None:
        # All comparisons with NaN are false, so NaN is refused.
        inside = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        if not inside or (value == low and not low_included):
            raise UserError(f"{label} must be in {bracket}{low:g}, {high:g}], but got {value}.", hint)

    return check
