"""What every worker of a study would load and look up by itself until its first trial has ended.

Importing this module does so once: the process that imports it becomes the workers, and the first process, which has
nothing else to do while they are at work, imports it for the end of the study. So nothing here may start a thread, and
nothing depends on the environment, which the workers are told later.
"""

import contextlib
from importlib import import_module

from PIL import Image

from adtrack.tracking.models import look_up_packages

USED_BY_TRIALS = (
    "adtrack.verbs.tune.sharing",
    "adtrack.detectors.building",
    "adtrack.detectors.distance_cache",
    "alembic.command",
    "git",
    "mlflow.pyfunc.model",
    "mlflow.store.tracking.sqlalchemy_workspace_store",
    "mlflow.tracing.processor.otel",
    "optuna.storages._rdb.models",
    "pyarrow.pandas_compat",
    "scipy.stats",
    "sqlalchemy.dialects.sqlite",
)

for _name in USED_BY_TRIALS:
    with contextlib.suppress(ImportError):  # GitPython cannot be imported where there is no git
        import_module(_name)
Image.preinit()  # the common formats
look_up_packages()
