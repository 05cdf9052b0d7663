"""The settings that studies vary, read from trials: their columns, axes and words are those of the trials' methods."""

from collections.abc import Mapping, Sequence
from typing import Any

from adtrack.config import DetectorSpec
from adtrack.detectors import DETECTORS
from adtrack.settings import NUMBER, WHOLE, WHOLE_OR_NONE, Setting, added_settings, settings
from adtrack.tracking.trials import TrialRecord
from adtrack.tuning.space import searched

_NONE = object()  # no setting has this value


def method_settings(method: str) -> tuple[Setting, ...]:
    """All settings of a method; none if this adtrack does not have it."""
    return settings(DETECTORS[method].spec_type) if method in DETECTORS else ()


def method_name(trial: TrialRecord) -> str:
    """The trial's method as people write it: PaDiM."""
    return DETECTORS[trial.method].name if trial.method in DETECTORS else trial.method


def trial_settings(trial: TrialRecord) -> list[Setting]:
    """The settings that the trial's study varied, as far as this adtrack has its method.

    The run of an older adtrack does not name them: they are those that its method varied by default then.
    """
    known = {one.key: one for one in method_settings(trial.method)}
    if known and not trial.searched:
        added = {one.key for one in _added(trial)}
        return [one for one in searched(DETECTORS[trial.method].spec_type) if one.key not in added]
    return [known[key] for key in trial.searched if key in known]


def _added(trial: TrialRecord) -> tuple[Setting, ...]:
    """The settings of the trial's method that older adtracks do not have."""
    return added_settings(DETECTORS[trial.method].spec_type) if trial.method in DETECTORS else ()


def settings_of(trials: Sequence[TrialRecord]) -> list[Setting]:
    """The settings that the studies of any of these trials varied, each once, as the first method describes it."""
    found: dict[str, Setting] = {}
    for trial in trials:
        for one in trial_settings(trial):
            found.setdefault(one.key, one)
    return list(found.values())


def parameters(trial: TrialRecord) -> dict[str, Any]:
    """{key: value} of the settings that the trial's study varied: numbers as numbers, layers as ``layer2+layer3``."""
    known = [one for one in trial_settings(trial) if one.key in trial.params]
    return {one.key: one.kind.plain(one.kind.parse(trial.params[one.key])) for one in known}


def about(trial: TrialRecord) -> str:
    """``trial 7: patch size 3, layers layer2+layer3, coreset fraction 0.05``; of a pruned trial the detector that it
    has reached, and ``, on its way to 0.25``."""
    aim = f", on its way to {trial.aim}" if trial.aim else ""
    return f"trial {trial.number}: {', '.join(_words(trial_settings(trial), parameters(trial)))}{aim}"


def arm(trial: TrialRecord) -> str:
    """``patch size 3, layers layer2``: what the trial's study varied, without the ladder of its method."""
    ladder = DETECTORS[trial.method].ladder if trial.method in DETECTORS else ""
    values = {key: value for key, value in parameters(trial).items() if key != ladder}
    return ", ".join(_words(trial_settings(trial), values)) or method_name(trial)


def in_words(spec_type: type[DetectorSpec], cell: Mapping[str, Any]) -> str:
    """``patch size 3, layers layer2+layer3, coreset fraction 0.05``."""
    return ", ".join(_words(settings(spec_type), cell))


def _words(known: Sequence[Setting], cell: Mapping[str, Any]) -> list[str]:
    described = {one.key: one for one in known}
    return [f"{described[key].label} {value_text(described[key], value)}" for key, value in cell.items()]


def briefly(trial: TrialRecord, beside: Sequence[TrialRecord] = ()) -> tuple[str, str]:
    """The values alone, words before numbers: ``layer2+layer3`` and ``p3, 0.05``.

    A setting that was added later is left out where it has its usual value, as in titles of specifications. Where the
    trial stands ``beside`` others, what all of them share is left out, too.
    """
    known, values, others = {one.key: one for one in trial_settings(trial)}, parameters(trial), map(parameters, beside)
    shared = set.intersection(*(set(other.items()) for other in others)) if len(beside) > 1 else set()
    usual = {one.key: one.kind.plain(one.default) for one in _added(trial)}
    told = [key for key, value in values.items() if (key, value) not in shared and usual.get(key, _NONE) != value]
    texts = {key: _brief(known[key], values[key]) for key in told}
    words = [text for key, text in texts.items() if not is_number(known[key])]
    numbers = [text for key, text in texts.items() if is_number(known[key])]
    return ", ".join(words), ", ".join(numbers)


def _brief(one: Setting, value: Any) -> str:
    return one.brief.format(value) if one.brief else f"{one.label} {value_text(one, value)}"


def is_number(one: Setting) -> bool:
    """Whether the values of a setting are numbers."""
    return one.kind in (WHOLE, WHOLE_OR_NONE, NUMBER)


def value_text(one: Setting, value: Any) -> str:
    """A plain value of a setting as people write it: 0.05, and not 0.05000000000000000277."""
    return f"{value:g}" if isinstance(value, float) else one.text(one.kind.value(value))
