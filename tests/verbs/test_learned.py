"""A method that learns, from the command line: the curves of a study's trials, and its registered model."""

import csv

import mlflow
import pandas as pd

from adtrack.tracking.run_contents import has_file, metric_curve
from adtrack.tracking.store import search_runs

CHAMPION = "models:/adtrack-part@champion"


def test_every_trial_has_its_curves_and_the_best_model_is_registered_and_scores(
    workplace, adtrack, part, tiny_data
) -> None:
    space = ("--space", "feature_latent=4,8;layers=layer3;smooth=0;augment=0;standardise=0;lr=0.01")
    done = adtrack("tune", *part, "--method", "feature_ae", "--epochs", "2", "--trials", "2", *space)
    assert done.code == 0, done.err
    trials = search_runs("tags.`adtrack.role` = 'trial'")
    assert len(trials) == 2
    for run in trials:
        assert run.data.params["epochs"] == "2" and run.data.params["lr"] == "0.01"
        curves = {name: metric_curve(run.info.run_id, name) for name in ("train/loss", "held_out/loss")}
        assert all(sorted(curve) == [1, 2] for curve in curves.values())
        best = int(run.data.metrics["best/epoch"])
        assert run.data.metrics["best/loss"] == curves["held_out/loss"][best] == min(curves["held_out/loss"].values())
        assert has_file(run.info.run_id, "curves/loss.png")

    photo = tiny_data / "part/test/spot/000.png"
    done = adtrack("score", photo, "--model", CHAMPION, "--out", "scored", "--device", "cpu")
    assert done.code == 0, done.err
    with (workplace / "scored/scores.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    served = mlflow.pyfunc.load_model(CHAMPION).predict(pd.DataFrame({"image": [str(photo)]}))
    assert served["score"].tolist() == [float(row["score"])] and served["label"].tolist() == [int(row["label"])]
