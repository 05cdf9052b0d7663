"""Is the experiment for runs there, and are MLflow's variables up to date? Looks without changing anything."""

from mlflow.entities import Experiment

from adtrack.errors import UserError
from adtrack.findings import BROKEN, Check, Finding
from adtrack.tracking.experiment import wanted_experiment
from adtrack.tracking.health import GROUP


def look_at_experiment() -> Check:
    """The experiment that the next run would go to."""
    try:
        place = wanted_experiment()
    except UserError as error:
        finding = Finding(
            BROKEN,
            error.rule.removesuffix("."),
            "No verb that logs or looks up runs works. What has been logged is kept, and registered models score.",
            error.hint[0].upper() + error.hint[1:],
        )
        return Check(GROUP, "experiment", "cannot be used", (finding,))
    there = f"{place.name} ({place.experiment_id})" if isinstance(place, Experiment) else f"{place}: made when needed"
    return Check(GROUP, "experiment", there)
