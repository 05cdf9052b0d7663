"""MLflow's system metrics (load, memory, network, GPU) of runs, where the user asks for them by MLflow's variable."""

import contextlib
import importlib.util
from collections.abc import Iterator

from mlflow.environment_variables import MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING

from adtrack.errors import UserError


@contextlib.contextmanager
def watched(run_id: str, resumed: bool) -> Iterator[None]:
    """Log system metrics to a run for the length of a ``with`` block, if MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING is set.

    ``resumed``: go on where the metrics that the run has already end.
    """
    if not MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.get():
        yield
        return
    if importlib.util.find_spec("psutil") is None:
        raise UserError(
            f"{MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.name} needs the package psutil, but it is not installed.",
            f"pip install psutil; or unset {MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING.name}.",
        )
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor  # imports psutil

    monitor = SystemMetricsMonitor(run_id, resume_logging=resumed)
    monitor.start()
    try:
        yield
    finally:
        monitor.finish()
