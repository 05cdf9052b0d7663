"""The chart of trials on clean and on shifted images, whatever hyperparameters they have."""

from adtrack.tracking.trials import TrialRecord
from adtrack.verbs.experiments.hyperparameters_under_shift import spots


def trial(**params: str) -> TrialRecord:
    metrics = {"val_clean/image_auroc": 0.9, "val_shift/image_auroc": 0.7, "cost/bank_mb": 1.0}
    return TrialRecord("part", "study", "digest", 0, "run", params, metrics)


def test_spots_are_in_series_of_layers_and_say_their_numbers() -> None:
    records = [
        trial(layers="layer2", patch_size="1", coreset_fraction="0.01"),
        trial(layers="layer2", patch_size="3", coreset_fraction="0.1"),
        trial(layers="layer3", patch_size="3", coreset_fraction="0.01"),
    ]
    found = spots(records)
    assert {name: [spot.label for spot in series] for name, series in found.items()} == {
        "layer2": ["p1, 0.01", "p3, 0.1"],
        "layer3": ["p3, 0.01"],
    }
    assert list(spots([trial(method="padim", padim_dimensions="10")])) == ["PaDiM"]
