"""What a process on another machine must know of the one that sends it work."""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from adtrack.errors import UserError

_PREFIXES = ("ADTRACK_", "MLFLOW_", "AWS_", "FSSPEC_", "GOOGLE_")
_OWN = "MLFLOW_RUN_ID"  # the run that "mlflow run" has made for one process alone


def _told() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_PREFIXES) and name != _OWN}


@dataclass(frozen=True)
class Surroundings:
    """The working directory, in which relative paths lie, and the variables that say where stores and caches are.

    They travel as an argument of the work. Ray's ``runtime_env`` would show their passwords on its dashboard.
    """

    directory: Path = field(default_factory=Path.cwd)
    variables: dict[str, str] = field(default_factory=_told, repr=False)

    def take_on(self) -> None:
        """Make them those of this process. UserError: the directory does not exist on this machine."""
        os.environ.update(self.variables)
        os.environ.pop(_OWN, None)  # a local cluster has been started with it
        with contextlib.suppress(FileNotFoundError):
            os.chdir(self.directory)
            return
        raise UserError(
            f"every machine of the cluster must have the working directory {self.directory}, but {os.uname().nodename} "
            "has not.",
            "start the command in a folder that all machines share.",
        )
