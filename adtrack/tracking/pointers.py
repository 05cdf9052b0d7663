"""What becomes of a run that ``mlflow run`` has made in another experiment: it points to where things are logged."""

import contextlib
from collections.abc import Iterator, Mapping

from mlflow import MlflowClient
from mlflow.entities import RunStatus, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from adtrack.tracking.experiment import experiment_name
from adtrack.tracking.run import Run
from adtrack.tracking.store import soon
from adtrack.tracking.tags import LOGGED_IN, NOTE, ROLE


@contextlib.contextmanager
def pointing(pointer: str | None, run: Run, tags: Mapping[str, str]) -> Iterator[None]:
    """Make the run ``pointer`` say where ``run`` is, and let it end as the ``with`` block does.

    It keeps the parameters that ``mlflow run`` has logged to it: those of this call.
    """
    if pointer is None:
        yield
        return
    name, place = MlflowClient().get_run(run.run_id).info.run_name, experiment_name(run.experiment_id)
    page = f"#/experiments/{run.experiment_id}/runs/{run.run_id}"
    texts = {
        **tags,
        ROLE: "pointer",
        LOGGED_IN: run.run_id,
        MLFLOW_RUN_NAME: f"{name} (see experiment {place})",
        NOTE: f"See experiment {place}: [{name}]({page}). This holds the call's parameters.",
    }
    MlflowClient().log_batch(pointer, tags=[RunTag(*text) for text in texts.items()])
    status = RunStatus.FAILED
    try:
        yield
        status = RunStatus.FINISHED
    except KeyboardInterrupt:
        status = RunStatus.KILLED
        raise
    finally:
        with contextlib.suppress(Exception), soon():  # mlflow run ends it too, and what went wrong first must be seen
            MlflowClient().set_terminated(pointer, RunStatus.to_string(status))
