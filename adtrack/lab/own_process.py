"""Measuring in a process of its own: its peak memory is one model's, and no other has warmed anything up."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from adtrack.errors import UserError

Given = ParamSpec("Given")
Result = TypeVar("Result")


def in_own_process(measure: Callable[Given, Result], *given: Given.args, **named: Given.kwargs) -> Result:
    """What a function of a module gives in a fresh process, which ends with it.

    UserError: the process was ended before it was done.
    """
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(measure, *given, **named).result()
    except BrokenProcessPool as error:
        raise UserError(
            "the process that measures a model must run to its end, but it was ended before.",
            "it may have asked for more memory than there is.",
        ) from error
