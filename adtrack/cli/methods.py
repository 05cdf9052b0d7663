"""The options that methods bring: one for each setting that asks for an option, and any setting by its name.

They are made when a command is parsed, from the methods that there are by then.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import click

from adtrack.config import DEFAULT_METHOD, DetectorSpec
from adtrack.detectors import DETECTORS, detector_class, make_spec
from adtrack.errors import UserError
from adtrack.settings import NUMBER, SWITCH, WHOLE, Kind, Setting, parse_pairs, setting_of, settings, usual_texts

AUTO = "auto"  # an option's value that stands for "not given": MLproject must give every parameter some value
OPTIONS_EXAMPLE = "epochs=20,lr=0.001"
SPACE_EXAMPLE = "epochs=10,50;lr=0.001,0.01"
_SHOWN: Mapping[Kind, str] = {WHOLE: "INTEGER", NUMBER: "FLOAT", SWITCH: "BOOLEAN"}
_Named = tuple[tuple[str, type[DetectorSpec]], ...]  # methods' names and specifications


class MethodCommand(click.Command):
    """A command that has, after its own options, those that ``brought`` makes of the methods."""

    def __init__(self, *arguments: Any, brought: Callable[[], Sequence[click.Option]], **more: Any) -> None:
        self._brought = brought
        super().__init__(*arguments, **more)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """All parameters that the command has now; ``--help`` comes last."""
        own, count = super().get_params(ctx), len(self.params)
        return [*own[:count], *self._brought(), *own[count:]]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help of all options; those that the methods bring have a section of their own."""
        brought = self._brought()
        own = [one for one in self.get_params(ctx) if one not in brought]
        for heading, options in (("Options", own), ("Method and its settings", brought)):
            with formatter.section(heading):
                formatter.write_dl([told for one in options if (told := one.get_help_record(ctx))])


def build_options() -> Sequence[click.Option]:
    """What a verb takes that makes one detector: its method, and all of its settings."""
    return _build_options(_methods())


def tune_options() -> Sequence[click.Option]:
    """What a study takes: the method, the settings that it keeps fixed by default, and the values that it tries."""
    return _tune_options(_methods())


def setting_options() -> Sequence[click.Option]:
    """One option for each setting that asks for one; for verbs that use several methods at once."""
    return _setting_options(_methods())


def _methods() -> _Named:
    return tuple((name, kind.spec_type) for name, kind in DETECTORS.items())


# A command must have the same options each time that click asks for them: it tells them apart by their identity.
@lru_cache(maxsize=4)
def _build_options(methods: _Named) -> Sequence[click.Option]:
    return (_method_option(methods), _options_option(methods), *_setting_options(methods))


@lru_cache(maxsize=4)
def _tune_options(methods: _Named) -> Sequence[click.Option]:
    space = click.Option(
        ["--space"],
        default=AUTO,
        metavar="NAME=VALUES;…",
        help=f'The values to try of any settings of the method, as in "{SPACE_EXAMPLE}"; these go before --space-….',
    )
    fixed = [_option(key, same) for key, same in _by_key(methods, lambda one: not one.tries)]
    tried = [_tries_option(key, same) for key, same in _by_key(methods, lambda one: True)]
    return (_method_option(methods), _options_option(methods), *fixed, space, *tried)


@lru_cache(maxsize=4)
def _setting_options(methods: _Named) -> Sequence[click.Option]:
    return tuple(_option(key, same) for key, same in _by_key(methods, lambda one: True))


def _method_option(methods: _Named) -> click.Option:
    words = "What detects anomalies; options that belong to other methods are ignored."
    return click.Option(
        ["--method"], default=DEFAULT_METHOD, type=click.Choice([name for name, _ in methods]), help=words
    )


def _options_option(methods: _Named) -> click.Option:
    return click.Option(
        ["--options"],
        default=AUTO,
        metavar="NAME=VALUE,…",
        help=f'Any settings of the method, as in "{OPTIONS_EXAMPLE}"; these go before the options of the same name.',
    )


def _by_key(methods: _Named, wanted: Callable[[Setting], bool]) -> Iterator[tuple[str, dict[str, Setting]]]:
    """Every setting that has an option of its own and is wanted: its key, and {method: its setting of that key}."""
    found: dict[str, dict[str, Setting]] = {}
    for method, kind in methods:
        for one in settings(kind):
            if one.option and wanted(one):
                found.setdefault(one.key, {})[method] = one
    yield from found.items()


def _option(key: str, same: Mapping[str, Setting]) -> click.Option:
    first = next(iter(same.values()))
    default, more = _default({method: one.text(one.usual) for method, one in same.items()})
    metavar = _SHOWN.get(first.kind, "TEXT")
    return click.Option([_flag(key), key], default=default, metavar=metavar, help=_help(first.help, more))


def _tries_option(key: str, same: Mapping[str, Setting]) -> click.Option:
    first = next(iter(same.values()))
    default, more = _default({method: _tries(one) for method, one in same.items()})
    words = f"{first.label.capitalize()}: the values to try, joined by commas."
    if default == AUTO and not more and first.tries:
        more = "auto: those that suit network and method"
    elif default == AUTO and not more:
        more = f"auto: only that of {_flag(key)}"
    names = [_flag(f"space_{key}"), f"space_{key}"]
    return click.Option(names, default=default, metavar="VALUES", help=_help(words, more))


def _tries(one: Setting) -> str:
    values = one.tries if one.usual == one.default else [one.usual]
    return ",".join(map(one.text, values)) or AUTO


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def _default(texts: Mapping[str, str]) -> tuple[str, str]:
    """The default of an option, and what its help says of it: methods that do not agree each have their own."""
    if len(set(texts.values())) == 1:
        return next(iter(texts.values())), ""
    own = [f"{text} for {method}" for method, text in texts.items() if text != AUTO]
    return AUTO, f"auto: {', '.join(own)}"


def _help(words: str, more: str) -> str:
    return f"{words.removesuffix('.')}; {more}." if more else words


def option_pairs(text: str, example: str = OPTIONS_EXAMPLE) -> dict[str, str]:
    """What ``--options`` gives: {key: value}."""
    return {} if text == AUTO else parse_pairs(text, "options", ",", example)


def detector_spec(method: str, texts: Mapping[str, str], given: Mapping[str, Any], seed: int) -> DetectorSpec:
    """The specification of a method: of its settings the ``texts`` of ``--options``, else the options of their own
    names among all that are ``given``."""
    own = {key: given[key] for key, one in _own_settings(method).items() if given.get(key, AUTO) != AUTO}
    return make_spec(method, {**own, **texts}, seed=seed)


def asked_space(method: str, space: str, given: Mapping[str, Any]) -> dict[str, str]:
    """{key: values joined by commas} that a study shall try: what ``--space`` gives, else ``--space-…``, else what is
    usual where that is not the method's own.

    UserError: an unknown setting, or a value that is not allowed.
    """
    kind = detector_class(method).spec_type
    own = {key: given.get(f"space_{key}", AUTO) for key in _own_settings(method)}
    texts = usual_texts(kind) | {key: text for key, text in own.items() if text != AUTO}
    if space != AUTO:
        texts |= parse_pairs(space, "space", ";", SPACE_EXAMPLE)
    for key, text in texts.items():
        one = setting_of(kind, key, f"space of {method}")
        for value in text.split(","):
            one.parse(value)
    return texts


def check_fixed(method: str, texts: Mapping[str, str], tried: Mapping[str, str]) -> None:
    """Refuse ``--options`` that name a setting which the study tries several values of."""
    for one in settings(detector_class(method).spec_type):
        if one.key in texts and (one.tries or one.key in tried):
            raise UserError(
                f"options of a study must be settings that it does not search, but got {one.key!r}.",
                f"--space {one.key}={texts[one.key]} tries that one value.",
            )


def _own_settings(method: str) -> dict[str, Setting]:
    """{key: setting} of those that have an option of their own."""
    return {one.key: one for one in settings(detector_class(method).spec_type) if one.option}
