"""Checks whether the store's models exist, and whether those in use can be loaded. The checks change nothing."""

from collections.abc import Iterable, Sequence

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelStatus, Run, RunStatus, ViewType
from mlflow.entities.model_registry import RegisteredModel

from adtrack.features.weights import cached_trunk
from adtrack.findings import BROKEN, NOTE, Check, Finding, counted
from adtrack.naming import argument
from adtrack.progress import track
from adtrack.tracking.model_files import trouble_of
from adtrack.tracking.places import local_folder
from adtrack.tracking.registry import CANDIDATE, CHAMPION
from adtrack.tracking.store import quoted, search_runs
from adtrack.tracking.tags import HOLDS, MANIFEST, MODEL, ROLE, TRUNKS, WORKER
from adtrack.tracking.workers import is_gone

GROUP = "Models"


def look_at_models() -> list[Check]:
    """One check for each registered model of adtrack, one for the models of runs, and one for the networks of studies.

    If uploads were cut off, there is one for them, too.
    """
    models = _logged_models()
    registered = MlflowClient().search_registered_models("name LIKE 'adtrack-%'", max_results=1000)
    runs = search_runs("attributes.status = 'FINISHED'")
    checks = [_registered(model, models) for model in registered]
    return [*checks, _logged(runs, models), *_uploads(models), _trunks(runs)]


def _logged_models() -> dict[str, LoggedModel]:
    """All logged models by id. Those of deleted experiments are among them, since they still score."""
    client = MlflowClient()
    experiments = [experiment.experiment_id for experiment in client.search_experiments(ViewType.ALL)]
    found: dict[str, LoggedModel] = {}
    token: str | None = None
    while True:
        page = client.search_logged_models(experiments, page_token=token)
        found |= {model.model_id: model for model in page}
        token = page.token
        if not token:
            return found


def _registered(model: RegisteredModel, models: dict[str, LoggedModel]) -> Check:
    found = MlflowClient().search_model_versions(f"name = {quoted(model.name)}", max_results=10_000)
    versions = {int(version.version): (version.source or "").removeprefix("models:/") for version in found}
    aliases = {alias: int(version) for alias, version in sorted(model.aliases.items(), reverse=True)}
    told = {int(version.version): version.tags.get(MANIFEST) for version in found}
    is_trunk = model.tags.get(HOLDS) == TRUNKS
    findings = []
    for alias, number in aliases.items():
        if number not in versions:
            findings.append(_dangling_alias(model.name, alias, number))
    in_use = {number for alias, number in aliases.items() if alias in (CHAMPION, CANDIDATE)}
    for number, model_id in sorted(versions.items()):
        trouble = trouble_of(models.get(model_id), loads=number in in_use, told=told[number])
        if trouble:
            names = [alias for alias in aliases if aliases[alias] == number]
            findings.append((_unusable_trunk if is_trunk else _unusable)(model.name, number, names, trouble))
    unsealed = [n for n, model_id in sorted(versions.items()) if not told[n] and not _is_sealed(models.get(model_id))]
    if unsealed:
        findings.append(_unsealed(model.name, unsealed))
    if CHAMPION not in aliases:
        findings.append(_without_champion(model.name, is_trunk))
    used = ", ".join(f"{alias} is {number}" for alias, number in aliases.items())
    return Check(GROUP, model.name, f"{counted(len(versions), 'version')}; {used or 'no alias'}", tuple(findings))


def _dangling_alias(name: str, alias: str, number: int) -> Finding:
    return Finding(
        BROKEN,
        f"{name}@{alias} stands for version {number}, which does not exist",
        f"Loading models:/{name}@{alias} ends in an error.",
        "Set the alias to a version that exists: by adtrack promote, adtrack rollback, or the model's page in the UI.",
    )


def _unusable(name: str, number: int, aliases: list[str], trouble: str) -> Finding:
    called = f", the {' and '.join(aliases)}," if aliases else ""
    means = f"models:/{name}@{aliases[0]} cannot score anything." if aliases else "A rollback to it would fail."
    return Finding(
        BROKEN,
        f"version {number} of {name}{called} is damaged: {trouble}",
        means,
        "Bring its files back from a backup of the artifacts. If there is none, make a new version (adtrack tune, or "
        "adtrack build-bank --register), make it champion (adtrack promote), and delete this one in the UI.",
    )


def _unusable_trunk(name: str, number: int, aliases: list[str], trouble: str) -> Finding:
    called = f", the {' and '.join(aliases)}," if aliases else ""
    return Finding(
        BROKEN,
        f"version {number} of {name}{called} is damaged: {trouble}",
        "No detector can be built on this network. Those that were built on it hold a copy and are not concerned.",
        "Bring its files back from a backup of the artifacts. If there is none, the same adtrack fine-tune command "
        "trains it again; then delete this version in the UI.",
    )


def _without_champion(name: str, is_trunk: bool) -> Finding:
    promote = f"adtrack promote --class {argument(name.removeprefix('adtrack-'))} makes the candidate champion."
    return Finding(
        NOTE,
        f"{name} has no champion",
        f"models:/{name}@{CHAMPION}, which the documentation and most scripts use, cannot be loaded.",
        f"Give a version the alias {CHAMPION} on the model's page in the UI." if is_trunk else promote,
    )


def _unsealed(name: str, numbers: Sequence[int]) -> Finding:
    return Finding(
        NOTE,
        f"there are no digests of the files of {counted(len(numbers), 'version')} of {name}: "
        f"{', '.join(map(str, numbers))}",
        f"An earlier version of adtrack made them, or somebody has removed the tag {MANIFEST} from version and model. "
        "They load and score as before, but damage to their files may go unnoticed.",
        "The next adtrack tune or build-bank --register makes a version that has digests.",
    )


def _is_sealed(model: LoggedModel | None) -> bool:
    """Whether a model was logged with a manifest of its files. A model that is gone counts as if it was."""
    return model is None or MANIFEST in model.tags


def _logged(runs: Iterable[Run], models: dict[str, LoggedModel]) -> Check:
    """The check of the models that the runs of trials and of build-bank have logged."""
    prefix = "models:/m-"  # the runs of evaluate name registered models instead
    owners = [run for run in runs if run.data.tags.get(MODEL, "").startswith(prefix)]
    troubles = (
        (run, trouble_of(models.get(run.data.tags[MODEL].removeprefix("models:/")), loads=False))
        for run in track(owners, "Looking at models", unit="model")
    )
    gone = [f"{_title(run)}: {trouble}" for run, trouble in troubles if trouble]
    detail = f"{counted(len(owners), 'model')} of trials and banks" + (f", {len(gone)} damaged" if gone else "")
    if not gone:
        return Check(GROUP, "logged models", detail)
    finding = Finding(
        BROKEN,
        f"files of {counted(len(gone), 'model')} of finished runs are gone, empty or damaged",
        "The runs still have their numbers and pictures, but these models can neither score nor be registered.",
        "Bring the files back from a backup of the artifacts, or build the models again with the runs' parameters "
        "(adtrack build-bank). mlflow runs delete --run-id RUN deletes a run that nobody needs.",
        tuple(gone),
    )
    return Check(GROUP, "logged models", detail, (finding,))


def _uploads(models: dict[str, LoggedModel]) -> list[Check]:
    """The check of models whose process was killed during their upload; empty if there is none."""
    cut_off = [model for model in models.values() if model.status == LoggedModelStatus.PENDING and _is_abandoned(model)]
    if not cut_off:
        return []

    def mark_as_failed() -> str:
        for model in cut_off:
            MlflowClient().finalize_logged_model(model.model_id, LoggedModelStatus.FAILED)
        return f"marked {counted(len(cut_off), 'model')} as failed"

    finding = Finding(
        NOTE,
        f"the upload of {counted(len(cut_off), 'model')} was cut off",
        "The process that uploaded them was killed. MLflow shows them as pending; no run and no version uses them.",
        "adtrack doctor --fix marks them as failed.",
        tuple(f"{model.model_id}  {model.name}, of run {model.source_run_id}" for model in cut_off),
        mark_as_failed,
    )
    return [Check(GROUP, "uploads", f"{len(cut_off)} cut off", (finding,))]


def _is_abandoned(model: LoggedModel) -> bool:
    """Whether a model belongs to a run of adtrack on which no process works any more."""
    run = MlflowClient().get_run(model.source_run_id) if model.source_run_id else None
    if run is None or WORKER not in run.data.tags:
        return False
    return run.info.status != RunStatus.to_string(RunStatus.RUNNING) or is_gone(run.data.tags[WORKER])


def _trunks(runs: list[Run]) -> Check:
    """The check of the networks that studies keep for the models of their trials, which are logged without one."""
    with_trials = {run.data.tags.get("mlflow.parentRunId") for run in runs}
    studies = [run for run in search_runs(f"tags.`{ROLE}` = 'study'") if run.info.run_id in with_trials]
    lacking = [run for run in studies if not _has_trunk(run)]
    detail = f"of {counted(len(studies), 'study', 'studies')}" + (f", {len(lacking)} gone" if lacking else "")
    if not lacking:
        return Check(GROUP, "trunks", detail)
    finding = Finding(
        BROKEN,
        f"{counted(len(lacking), 'study has', 'studies have')} lost the trunk that their trials' models need",
        "A trial's model holds no network of its own. Without the trunk it loads only on machines that have the trunk "
        "in their cache. Registered models hold their network and are not concerned.",
        "The same adtrack tune command puts it back.",
        tuple(f"{_title(run)}{_cached(run)}" for run in lacking),
    )
    return Check(GROUP, "trunks", detail, (finding,))


def _has_trunk(run: Run) -> bool:
    file = f"trunk/{run.data.params['weights_sha256']}.safetensors"
    folder = local_folder(run.info.artifact_uri)
    if folder:
        return (folder / file).is_file()
    return file in {item.path for item in MlflowClient().list_artifacts(run.info.run_id, "trunk")}


def _cached(run: Run) -> str:
    return " (in this machine's cache)" if cached_trunk(run.data.params["weights_sha256"]).is_file() else ""


def _title(run: Run) -> str:
    return f"{run.info.run_id}  {run.info.run_name}"
