"""tune: studies from their first trial to the registered model."""

import contextlib

from adtrack.config import BuildSpec
from adtrack.scale.team import team
from adtrack.scale.workers import Workers
from adtrack.tracking.workers import working
from adtrack.tuning.finish import StudyResult
from adtrack.tuning.runner import go_on, pass_once, run_trials
from adtrack.tuning.spec import StudySpec
from adtrack.verbs.bench_setup import Say
from adtrack.verbs.tune import LOADED_AHEAD
from adtrack.verbs.tune.joining import joined, opened
from adtrack.verbs.tune.question import ask, check_shared, say_where
from adtrack.verbs.tune.sharing import share_out

_ALONE = Workers()


def tune(
    spec: BuildSpec,
    study: StudySpec,
    name: str | None,
    storage: str | None,
    device: str,
    say: Say,
    warn: Say,
    workers: Workers = _ALONE,
) -> StudyResult:
    """Run the study, or go on with it, then test, register and write up its best model.

    Several processes may run it together, on one machine or, with a PostgreSQL storage, on many: they share the
    trials, and the first that finds all of them finished does the rest. ``workers`` are such processes that this one
    starts; it does the rest itself then.
    """
    (question,) = ask(spec, study, name, storage, device, [spec.data.class_name])
    say_where(question.storage, say)
    with contextlib.ExitStack() as stack:
        helpers = None if workers.alone else stack.enter_context(team(workers, LOADED_AHEAD))
        if helpers:
            check_shared(question, helpers)
        worker = stack.enter_context(working())
        shared = stack.enter_context(opened(question, worker, say, warn))
        part = stack.enter_context(joined(shared, name, say))
        go_on(shared, say)
        pass_once(shared)
        if helpers:
            share_out(helpers, [question], [shared], say)
        run_trials(shared, part.run, say)
        return part.finish(say)
