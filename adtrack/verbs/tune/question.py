"""What is asked of a study, checked before anything takes time, and as plain data for other processes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from adtrack.config import DEMO, BuildSpec
from adtrack.errors import UserError
from adtrack.features.usual_layers import settled
from adtrack.scale.team import Team
from adtrack.tracking.places import is_server
from adtrack.tracking.registry import registry_name
from adtrack.tracking.sqlite import sqlite_file
from adtrack.tracking.store import open_store, quoted, tracking_uri, without_password
from adtrack.tuning.spec import StudySpec
from adtrack.tuning.storage import check_url, default_storage
from adtrack.verbs.bench_setup import Say
from adtrack.verbs.checks import need_anomalies


@dataclass(frozen=True)
class Question:
    """A study of one class as it is asked for. ``name`` is what the user calls it, None if adtrack shall name it.

    ``storage`` is the URL of Optuna's database.
    """

    spec: BuildSpec
    study: StudySpec
    name: str | None
    storage: str
    device: str

    @property
    def class_name(self) -> str:
        """The class that it is about."""
        return self.spec.data.class_name


def ask(
    spec: BuildSpec, study: StudySpec, name: str | None, storage: str | None, device: str, classes: Sequence[str]
) -> tuple[Question, ...]:
    """The same question about each of these classes, settled for the network; the tracking store is opened.

    If there are several classes, the study that is called ``name`` is called ``name-class`` for each. UserError: what
    cannot be asked.
    """
    spec = replace(spec, detector=settled(spec.detector, spec.backbone.name))
    study = replace(study, space=study.space.on(spec.backbone.name))
    study.space.all_inputs(spec.detector)
    specs = [replace(spec, data=replace(spec.data, class_name=one)) for one in classes]
    for one in specs:
        need_anomalies(one.data, "tune")
        registry_name(one.data.class_name)
    names = [f"{name}-{one}" if name and len(classes) > 1 else name for one in classes]
    for text in filter(None, names):
        quoted(text)  # what cannot be searched for later
    if storage:
        check_url(storage)
    tracking = open_store()
    url = storage or default_storage(tracking)
    return tuple(Question(one, study, own, url, device) for one, own in zip(specs, names, strict=True))


def say_where(storage: str, say: Say) -> None:
    """Say so if other machines could share the tracking store, but not the study's storage."""
    if is_server(tracking_uri()) and storage.startswith("sqlite"):
        say(
            f"The study's trials are dealt out in {sqlite_file(storage)}, on this machine alone; "
            "--storage postgresql://… lets other machines take part."
        )


def check_shared(question: Question, team: Team) -> None:
    """UserError: the team has workers on other machines, which cannot reach what lies on this one."""
    if len(team.machines) < 2:
        return
    where = f"where workers are on {len(team.machines)} machines"
    if question.storage.startswith("sqlite"):
        raise UserError(
            f"storage must be a database that all machines reach, {where}, but {question.storage} is a file.",
            "--storage postgresql://… names one.",
        )
    if not is_server(uri := tracking_uri()):
        raise UserError(
            f"runs must go to an MLflow server, {where}, but {without_password(uri)} is none.",
            "MLFLOW_TRACKING_URI=http://… names it, and --storage postgresql://… a database for the trials.",
        )
    if question.spec.data.root == DEMO:
        raise UserError(
            f"data must be a folder that all machines share, {where}, but {DEMO} lies in this one's cache.",
            "adtrack demo-data --out FOLDER writes it to one, and --data FOLDER names it.",
        )
