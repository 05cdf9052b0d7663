"""A finished trial as the tracking store remembers it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from adtrack.config import DEFAULT_METHOD, NO_NETWORK
from adtrack.errors import UserError
from adtrack.threshold_spec import ThresholdSpec
from adtrack.tracking.experiment import deleted_experiment
from adtrack.tracking.spoilt_tags import leave_out, whole
from adtrack.tracking.store import quoted, search_runs
from adtrack.tracking.tags import (
    CLASS,
    CONTINUED_IN,
    DIGEST,
    FEASIBLE,
    MODEL,
    PRUNED,
    ROLE,
    SEARCHED,
    STORAGE,
    STUDY,
    TRIAL,
)

_CONTINUED = "continued study"


@dataclass(frozen=True)
class TrialRecord:
    """One finished trial of a study.

    ``params`` are the run's parameters as text (patch_size, layers, coreset_fraction, backbone, …), of which the study
    varies those that ``searched`` names; runs of older versions name none. ``metrics`` are named as in the run
    (``val_clean/image_auroc``, ``cost/bank_mb``, ``objective``). ``feasible`` is False for a model above the study's
    limit on its size. ``aim`` is the value that a pruned trial was on its way to, "" for other trials. Only trials of
    the same ``split_digest`` can be compared.
    """

    class_name: str
    study: str
    split_digest: str
    number: int
    run_id: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    feasible: bool = True
    searched: tuple[str, ...] = ()
    aim: str = ""

    @property
    def method(self) -> str:
        """The method of the trial's model."""
        return self.params.get("method", DEFAULT_METHOD)

    @property
    def network(self) -> str:
        """The name of the network, "" if the trial has none or does not tell."""
        name = self.params.get("backbone", NO_NETWORK)
        return "" if name == NO_NETWORK else name

    @property
    def threshold(self) -> ThresholdSpec:
        """How the threshold of the trial's model was found."""
        return ThresholdSpec.from_params(self.params)


def study_trials(study: str) -> list[TrialRecord]:
    """The finished trials of a study in the order of their numbers. Those with spoilt tags are left out and named."""
    condition = f"tags.`{STUDY}` = {quoted(study)} and tags.`{ROLE}` = 'trial'"
    runs = search_runs(f"{condition} and attributes.status = 'FINISHED'")
    _name_strays(study)
    records = map(_record, whole(runs, CLASS, STUDY, DIGEST, TRIAL))
    return sorted(records, key=lambda record: record.number)


def _name_strays(study: str) -> None:
    """Name the finished children of the study's run that have lost the tags of the study's trials."""
    parent = study_parent(study)
    condition = f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}' and attributes.status = 'FINISHED'"
    for run in search_runs(condition) if parent else ():
        lost = [name for name, value in ((STUDY, study), (ROLE, "trial")) if run.data.tags.get(name) != value]
        if lost:
            leave_out(run.info.run_id, " and ".join(lost))


def trial_model(trial: TrialRecord) -> str:
    """The URI of the model that a trial was logged with. UserError if its tag has gone."""
    found = with_models([trial])
    if not found:
        raise UserError(
            f"the best trial must say which model is its own, but run {trial.run_id} has lost its tag {MODEL}.",
            "mlflow ui can put it back: models:/ and the id of the model that its page shows.",
        )
    return found[0][1]


def with_models(trials: Iterable[TrialRecord]) -> list[tuple[TrialRecord, str]]:
    """The trials whose runs name their model, each with the model's URI; the other trials are named to the user."""
    found = []
    for trial in trials:
        uri = MlflowClient().get_run(trial.run_id).data.tags.get(MODEL)
        if uri:
            found.append((trial, uri))
        else:
            leave_out(trial.run_id, MODEL)
    return found


def _record(run: Run) -> TrialRecord:
    tags = run.data.tags
    return TrialRecord(
        class_name=tags[CLASS],
        study=tags[STUDY],
        split_digest=tags[DIGEST],
        number=int(tags[TRIAL]),
        run_id=run.info.run_id,
        params=run.data.params,
        metrics=run.data.metrics,
        feasible=tags.get(FEASIBLE, "true") == "true",
        searched=tuple(filter(None, tags.get(SEARCHED, "").split(","))),
        aim=tags.get(PRUNED, ""),
    )


def adopt_trials(study: str, parent: str) -> None:
    """Make ``parent`` the parent of all the study's trials.

    Processes that began at the same moment, and calls of earlier versions, have made parents of their own. From now on
    this one shows all trials, and the others say where the trials went.
    """
    client = MlflowClient()
    for run in search_runs(f"tags.`{STUDY}` = {quoted(study)}"):
        role, run_id = run.data.tags.get(ROLE), run.info.run_id
        if role == "trial" and run.data.tags.get(MLFLOW_PARENT_RUN_ID) != parent:
            client.set_tag(run_id, MLFLOW_PARENT_RUN_ID, parent)
        elif role == "study" and run_id != parent:
            client.set_tag(run_id, ROLE, _CONTINUED)
            client.set_tag(run_id, CONTINUED_IN, parent)
        elif run_id == parent and CONTINUED_IN in run.data.tags:  # it is taken up again
            client.set_tag(run_id, ROLE, "study")
            client.delete_tag(run_id, CONTINUED_IN)


def study_parent(study: str) -> str | None:
    """The run that is the parent of a study's trials, if the study has begun."""
    runs = search_runs(f"tags.`{STUDY}` = {quoted(study)} and tags.`{ROLE}` = 'study'")
    return runs[-1].info.run_id if runs else None


def study_home(study: str) -> str | None:
    """The experiment in which a study stays: that of its first trial; None if it has no trial.

    MLflow shows trials below their parent only if both are in one experiment, and it cannot move a run to another.
    UserError if that experiment is deleted, because no search finds its runs.
    """
    condition = f"tags.`{STUDY}` = {quoted(study)} and tags.`{ROLE}` = 'trial'"
    if trials := search_runs(condition):
        return trials[0].info.experiment_id
    client = MlflowClient()
    for gone in client.search_experiments(view_type=ViewType.DELETED_ONLY):
        if client.search_runs([gone.experiment_id], condition, ViewType.ALL, max_results=1):
            raise deleted_experiment(
                f"the experiment of study {study} must not be deleted", gone, "choose another --study"
            )
    return None


def parent_in(experiment: str, study: str) -> str | None:
    """The newest run of that experiment that is or was the parent of the study's trials."""
    runs = search_runs(f"tags.`{STUDY}` = {quoted(study)}")
    parents = [run.info for run in runs if run.data.tags.get(ROLE) in ("study", _CONTINUED)]
    return next((run.run_id for run in reversed(parents) if run.experiment_id == experiment), None)


def study_storages() -> dict[str, str]:
    """{name of a study: where Optuna keeps its trials}, for the studies of the store whose runs say so."""
    runs = whole(search_runs(f"tags.`{ROLE}` = 'study'"), STUDY)
    return {run.data.tags[STUDY]: run.data.tags[STORAGE] for run in runs if STORAGE in run.data.tags}


def latest_studies(class_name: str | None) -> list[str]:
    """The newest study of a class, or of every class that has one."""
    runs = whole(search_runs(f"tags.`{ROLE}` = 'study'"), CLASS, STUDY)
    newest = {run.data.tags[CLASS]: run.data.tags[STUDY] for run in runs}
    return [newest[name] for name in sorted(newest) if class_name in (None, name)]
