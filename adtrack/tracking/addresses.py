"""Addresses in the tracking store, as users give them."""

import contextlib
from collections.abc import Iterator

from mlflow.exceptions import MlflowException

from adtrack.errors import UserError
from adtrack.findings import first_line
from adtrack.troubles import trouble


@contextlib.contextmanager
def looked_up(rule: str, uri: str, listed: str) -> Iterator[None]:
    """While what ``uri`` names is fetched, errors of the store that it is not there become a UserError.

    ``rule`` begins the sentence: "model must be one". ``listed`` is what mlflow ui lists: "the models".
    """
    try:
        yield
    except UserError:
        raise
    # ValueError: this kind of store has no such address. ImportError: the library for its addresses is missing.
    except (MlflowException, OSError, ValueError, ImportError) as error:
        raise trouble(error) or UserError(
            f"{rule} that the tracking store knows, but {uri} is not ({first_line(error)}).",
            f"mlflow ui lists {listed}; MLFLOW_TRACKING_URI chooses the store.",
        ) from error
