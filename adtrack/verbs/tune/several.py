"""A study for each of several classes as one command: the trials of all classes are shared out together."""

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from adtrack.config import BuildSpec
from adtrack.errors import UserError
from adtrack.findings import counted
from adtrack.reporting.table import Table
from adtrack.reporting.templating import render
from adtrack.scale.team import Team, team
from adtrack.scale.workers import Workers
from adtrack.tracking.run import Run
from adtrack.tracking.run_contents import run_experiment
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.tags import NO_STUDY, ROLE, RunTags
from adtrack.tracking.weights import find_trunk
from adtrack.tracking.workers import Worker, working
from adtrack.tuning.finish import StudyResult
from adtrack.tuning.runner import go_on, pass_once
from adtrack.tuning.shared_study import SharedStudy
from adtrack.tuning.spec import StudySpec
from adtrack.tuning.storage import reachable
from adtrack.verbs.bench_setup import Say
from adtrack.verbs.tune import LOADED_AHEAD
from adtrack.verbs.tune.joining import opened
from adtrack.verbs.tune.overview import NAME, overview_table, write_overview
from adtrack.verbs.tune.question import Question, ask, check_shared, say_where
from adtrack.verbs.tune.sharing import Share, TakePart, share_out

_ROOM = 4000  # characters of a tag that every tracking store takes


@dataclass(frozen=True)
class SeveralResult:
    """The studies of several classes, by class, and a sentence on each class that has ``failed``.

    ``page`` and ``tables`` are where the overview and its tables lie.
    """

    studies: Mapping[str, StudyResult]
    failed: tuple[str, ...]
    table: Table
    page: str
    tables: str


def tune_several(
    spec: BuildSpec,
    study: StudySpec,
    name: str | None,
    storage: str | None,
    device: str,
    classes: Sequence[str],
    say: Say,
    warn: Say,
    workers: Workers,
) -> SeveralResult:
    """What ``tune`` does, for each of these classes instead of that of ``spec``, with one overview at the end.

    A class that fails does not end the others. UserError: all have failed.
    """
    questions = ask(spec, study, name, storage, device, classes)
    say_where(questions[0].storage, say)
    with contextlib.ExitStack() as stack:
        helpers = None if workers.alone else stack.enter_context(team(workers, LOADED_AHEAD))
        if helpers:
            check_shared(questions[0], helpers)
        worker = stack.enter_context(working())
        tags = RunTags(",".join(classes), spec.detector.method, NO_STUDY, "several")
        title = f"{counted(len(classes), 'study', 'studies')}: {', '.join(classes)}"
        run = stack.enter_context(tracked_run(worker, tags, name=title[:250], extra={ROLE: "studies"}))
        run.log_params({"classes": ",".join(classes), "trials": str(study.trials), "workers": workers.text})
        run.set_note(f"At work on {counted(len(classes), 'study', 'studies')}; each has a run of its own.")
        share = _all_shares(questions, helpers, worker, say, warn)
        failed = tuple(f"{one}: {why}" for one, why in share.failed.items() if one not in share.finished)
        found = {one: share.finished[one] for one in classes if one in share.finished}
        if not found:
            raise UserError(f"one class at least must be tuned, but all have failed. {' '.join(failed)}")
        return _written_up(run, found, failed)


def _all_shares(questions: Sequence[Question], helpers: Team | None, worker: Worker, say: Say, warn: Say) -> Share:
    """What has come of all classes, whoever has worked on them."""
    share, left = Share(), list(questions)
    studies = _prepared(left, worker, share, say, warn)
    left = [one for one in left if one.class_name not in share.failed]
    if helpers and left:
        with reachable(left[0].storage):  # all studies are in one
            for one in share_out(helpers, left, studies, say, several=True):
                share.add(one)
    left = [one for one in left if not share.knows(one.class_name)]
    if left:  # without helpers, and what they have not finished
        share.add(TakePart(tuple(left), several=True)(0, say))
    return share


def _prepared(questions: Sequence[Question], worker: Worker, share: Share, say: Say, warn: Say) -> list[SharedStudy]:
    """The studies, opened once with all cores, so that all images are checked and features are there. Classes that fail
    are noted in ``share``."""
    studies, load = [], cache(find_trunk)
    for question in questions:
        try:
            with opened(question, worker, say, warn, load) as study:
                go_on(study, say)
                pass_once(study)
                studies.append(study)
        except Exception as error:
            share.note(question.class_name, error)
    return studies


def _written_up(run: Run, found: Mapping[str, StudyResult], failed: tuple[str, ...]) -> SeveralResult:
    table = overview_table(found)
    with tempfile.TemporaryDirectory() as scratch:
        write_overview(found, table, failed, Path(scratch) / NAME, run.artifact_place(NAME))
        run.log_folder(Path(scratch))
    page = f"{NAME}/{NAME}.html"
    run.set_note(_note(f"{_link(run.run_id)}/artifacts/{page}", found, failed, table))
    return SeveralResult(found, failed, table, run.artifact_place(page), run.artifact_place(NAME))


def _note(page: str, found: Mapping[str, StudyResult], failed: Sequence[str], table: Table) -> str:
    """Markdown for the run's page: links and the table, as far as there is room for them."""
    links = [(class_name, _link(one.parent)) for class_name, one in found.items()]
    possible = ((links, failed, table), (links, failed, None), (links, (), None), ((), (), None))
    notes = [
        render("studies_note.md", page=page, studies=one, failed=words, table=rows) for one, words, rows in possible
    ]
    return next((note for note in notes if len(note) <= _ROOM), notes[-1])


def _link(run_id: str) -> str:
    """How MLflow's pages link to a run."""
    return f"#/experiments/{run_experiment(run_id)}/runs/{run_id}"
