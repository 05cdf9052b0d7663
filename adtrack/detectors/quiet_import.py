"""Imports libraries that change more than they are asked to."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_side_effects() -> Iterator[None]:
    """Silence warnings, and restore the environment variables afterwards.

    Importing anomalib imports all of its models. They print warnings about their own dependencies and set variables
    such as LD_LIBRARY_PATH, which all processes that are started later would inherit.
    """
    before = dict(os.environ)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)
