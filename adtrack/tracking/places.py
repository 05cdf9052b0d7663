"""Where a store is and where its files lie: folders of this machine, and the URIs that MLflow knows them by."""

from pathlib import Path

from mlflow.utils.file_utils import local_file_uri_to_path

from adtrack.filenames import file_name


def local_folder(uri: str) -> Path | None:
    """The folder that an artifact URI means, None if it lies elsewhere."""
    if uri.startswith("file:") or ("://" not in uri and not uri.startswith("mlflow-artifacts:")):
        return Path(local_file_uri_to_path(uri))
    return None


def artifact_uri(folder: Path, plain: bool = True) -> str:
    """A folder of this machine as MLflow reads it.

    It takes a bare path for a URI after all, so that of a folder called ``a%20b`` it would write to another one: such
    a path is given as the URI it is, and so is every other one unless ``plain``.
    """
    return str(folder) if plain and not set("%?#") & set(str(folder)) else folder.as_uri()


def artifact_root(uri: str, experiment: str) -> str | None:
    """Where a new experiment of the store at ``uri`` keeps its files; None where the store's own choice is sound: that
    is ``mlruns`` in the working directory, as a bare path, unless a server chooses."""
    root = artifact_uri(Path.cwd() / "mlruns" / file_name(experiment))
    return root if root.startswith("file:") and not is_server(uri) else None


def is_server(uri: str) -> bool:
    """Whether the store is behind ``mlflow server``, which other machines may use too."""
    return uri.startswith(("http://", "https://"))
