"""Translates between folders on this machine and the URIs by which MLflow names them."""

from pathlib import Path

from mlflow.utils.file_utils import local_file_uri_to_path

from adtrack.filenames import file_name


def local_folder(uri: str) -> Path | None:
    """The folder on this machine that an artifact URI stands for, None if it stands for another place."""
    if uri.startswith("file:") or ("://" not in uri and not uri.startswith("mlflow-artifacts:")):
        return Path(local_file_uri_to_path(uri))
    return None


def artifact_uri(folder: Path, plain: bool = True) -> str:
    """The text by which MLflow finds a folder on this machine.

    MLflow decodes a bare path as if it were a URI, so it would take a folder called ``a%20b`` for another one. A path
    with such characters is therefore written as a ``file:`` URI; other paths are written as one unless ``plain``.
    """
    return str(folder) if plain and not set("%?#") & set(str(folder)) else folder.as_uri()


def artifact_root(uri: str, experiment: str) -> str | None:
    """The artifact location for a new experiment of the store at ``uri``, or None if the store shall choose it.

    Unless the store is a server, it chooses ``mlruns`` in the working directory and writes it as a bare path. That is
    right for most paths, but not for those that must be written as a ``file:`` URI.
    """
    root = artifact_uri(Path.cwd() / "mlruns" / file_name(experiment))
    return root if root.startswith("file:") and not is_server(uri) else None


def is_server(uri: str) -> bool:
    """Whether the store is reached through ``mlflow server``, which other machines may use as well."""
    return uri.startswith(("http://", "https://"))
