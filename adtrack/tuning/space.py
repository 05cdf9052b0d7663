"""The cells that a study may try: every combination of the values that a method's settings may take."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import Trial

from adtrack.config import DetectorSpec, LayersSpec, plain
from adtrack.detectors import detector_class
from adtrack.errors import UserError
from adtrack.features.usual_layers import tried_layers
from adtrack.settings import LAYERS, Setting, added_settings, setting_of, settings
from adtrack.threshold_spec import AUTO

_LAYERS = "layers"  # the key of that setting
Cell = dict[str, Any]  # {a setting's key: its value, as Optuna and JSON can hold it}
Spec = TypeVar("Spec", bound=DetectorSpec)


@dataclass(frozen=True)
class Space:
    """The values that each searched setting of one method may take.

    ``values`` is {a setting's key: plain values}: layers are written as ``layer2+layer3``. A grid search varies the
    last key fastest.
    """

    spec_type: type[DetectorSpec]
    values: Mapping[str, Sequence[Any]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", {key: tuple(values) for key, values in self.values.items()})
        for key, values in self.values.items():
            one = setting_of(self.spec_type, key, _what(self.spec_type))
            if not values or len(set(values)) != len(values):
                raise UserError(f"the space of {key} must be different values, but got {list(values)}.")
            for value in values:
                one.check(one.label, one.kind.value(value))

    @classmethod
    def of(cls, spec_type: type[DetectorSpec], texts: Mapping[str, str] | None = None) -> "Space":
        """What a study of this method tries by default, changed by ``texts``: {key: values joined by commas}.

        A setting that is searched only when it is asked for comes after the others. UserError: there is no such
        setting, or it does not allow a value.
        """
        texts = texts or {}
        for key in texts:
            setting_of(spec_type, key, _what(spec_type))
        asked = [one for one in settings(spec_type) if one.key in texts and not one.tries]
        found = {one.key: _values(one, texts.get(one.key)) for one in (*searched(spec_type), *asked)}
        return cls(spec_type, found)

    @property
    def told(self) -> tuple[str, ...]:
        """The settings by which trials are told.

        One that was added later is left out if all cells have the value that older specifications imply.
        """
        present = plain(self.spec({key: values[0] for key, values in self.values.items()}, self.spec_type()))
        names = {one.key: one.name for one in settings(self.spec_type)}
        return tuple(key for key, values in self.values.items() if len(values) > 1 or names[key] in present)

    @property
    def ladder(self) -> Sequence[Any]:
        """The plain values of the setting that trials climb; none if the method has no ladder or it is not searched."""
        return self.values.get(detector_class(self.spec_type.method).ladder, ())

    def earlier(self) -> "Space":
        """The space of a study that began when there were fewer settings: without those that were added later, if they
        have the values here that are tried by default."""
        usual = {one.key: tuple(map(one.kind.plain, one.tries)) for one in added_settings(self.spec_type)}
        return replace(self, values={key: tried for key, tried in self.values.items() if tried != usual.get(key)})

    def on(self, network: str) -> "Space":
        """The same space behind the network of that name, whose own layers stand where it has "auto"."""
        asked = self.values.get(_LAYERS, ())
        if AUTO not in asked or not issubclass(self.spec_type, LayersSpec):
            return self
        own = [LAYERS.plain(layers) for layers in tried_layers(self.spec_type, network)]
        found = dict.fromkeys(value for one in asked for value in (own if one == AUTO else [one]))
        return replace(self, values={**self.values, _LAYERS: tuple(found)})

    def cells(self) -> list[Cell]:
        """All combinations, in the order of a grid search."""
        return [dict(zip(self.values, values, strict=True)) for values in itertools.product(*self.values.values())]

    def distributions(self) -> dict[str, BaseDistribution]:
        """The space in Optuna's terms."""
        return {key: CategoricalDistribution(values) for key, values in self.values.items()}

    def suggest(self, trial: Trial) -> Cell:
        """The cell of a trial."""
        return {key: trial.suggest_categorical(key, values) for key, values in self.values.items()}

    def recipes(self, base: DetectorSpec) -> list[Cell]:
        """The cells of the method's recipes, as far as the space holds them.

        A setting that a recipe does not name has the value of ``base`` or, if the space does not hold that, the first
        that it holds.
        """
        fields = {one.key: one for one in settings(base)}
        cells = []
        for recipe in self.spec_type.recipes:
            named = {one.key: one.kind.plain(recipe[one.name]) for one in fields.values() if one.name in recipe}
            usual = {key: one.kind.plain(getattr(base, one.name)) for key, one in fields.items()}
            if all(value in self.values.get(key, (usual[key],)) for key, value in named.items()):
                wanted = usual | named
                cells.append(
                    {key: wanted[key] if wanted[key] in tried else tried[0] for key, tried in self.values.items()}
                )
        return cells

    def spec(self, cell: Cell, base: Spec) -> Spec:
        """The specification of a cell; what the space does not vary comes from ``base``."""
        described = {one.key: one for one in settings(base)}
        return replace(base, **{described[key].name: described[key].kind.value(cell[key]) for key in cell})

    def all_inputs(self, base: DetectorSpec) -> tuple[str, ...]:
        """Every input that some cell asks for, in the order of the cells. UserError: ``base`` does not allow a cell."""
        specs = (self.spec(cell, base) for cell in self.cells())
        return tuple(dict.fromkeys(name for spec in specs for name in spec.inputs))


def searched(spec_type: type[DetectorSpec]) -> list[Setting]:
    """The settings that a study of a method searches by default, in the order in which it varies them."""
    order = {name: place for place, name in enumerate(spec_type.search_order)}
    found = [one for one in settings(spec_type) if one.tries]
    return sorted(found, key=lambda one: order.get(one.name, len(order)))


def _values(one: Setting, text: str | None) -> tuple[Any, ...]:
    """The values that a study tries of a setting, as Optuna and JSON can hold them."""
    values = one.tries if text is None else [one.parse(part) for part in text.split(",")]
    return tuple(map(one.kind.plain, values))


def _what(spec_type: type[DetectorSpec]) -> str:
    return f"space of {spec_type.method}"
