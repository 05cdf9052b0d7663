"""The cells of an experiment: each is measured once and kept in the tracking store.

A cell is found again by a digest of everything that its numbers depend on, the code among them. So an experiment that
was interrupted goes on at its first missing cell, and two experiments that need the same model share its cell.
"""

import csv
import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import torch

import adtrack
from adtrack.config import digest
from adtrack.evaluation.pictures.png import save_png
from adtrack.evaluation.workbench import Workbench
from adtrack.lab.cell import FILE, Cell, CellOutcome, CellScores, read_cell, write_scores
from adtrack.tracking.made_with import log_surroundings
from adtrack.tracking.run import Run
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.store import quoted, search_runs
from adtrack.tracking.tags import CELL, NO_STUDY, ROLE, RunTags

_MODULES, _ROOMS = (
    ("config.py", "settings.py", "threshold_spec.py"),
    ("data", "features", "detectors", "training", "evaluation"),
)


class Cells:
    """The cells of an experiment, which are child runs of the experiment's run ``parent``.

    ``used`` lists the cells that were asked for; ``say`` is told which cell is measured or found. ``failed`` lists
    sentences on what could not be measured, where an experiment goes on without it.
    """

    def __init__(self, parent: Run, say: Callable[[str], None]) -> None:
        self.parent, self.say = parent, say
        self.used: list[Cell] = []
        self.failed: list[str] = []

    def cell(
        self, name: str, benches: Sequence[Workbench], what: Mapping[str, object], compute: Callable[[], CellOutcome]
    ) -> Cell:
        """The cell called ``name``. It is read from the store if a finished run holds it, else computed and logged.

        ``what`` names, as plain data, all that the numbers depend on besides data, view, weights and code.
        """
        key = digest({**what, "on": [_surroundings(bench) for bench in benches], "code": code_version()})
        cell = self._known(name, key) or self._compute(name, key, benches, what, compute)
        self.used.append(cell)
        return cell

    def _known(self, name: str, key: str) -> Cell | None:
        """The cell in the newest finished run with this key. None: there is no such run, or its scores are lost."""
        known = search_runs(f"tags.`{CELL}` = {quoted(key)} and attributes.status = 'FINISHED'")
        if not known:
            return None
        run_id = known[-1].info.run_id
        try:
            cell = read_cell(run_id, reused=True)
        except (ValueError, OverflowError, KeyError, TypeError, OSError, csv.Error):
            self.say(f"{name}: the scores of run {run_id} have gone, so it is measured again")
            return None
        self.say(f"{name}: taken from run {run_id}")
        return cell

    def _compute(
        self,
        name: str,
        key: str,
        benches: Sequence[Workbench],
        what: Mapping[str, object],
        compute: Callable[[], CellOutcome],
    ) -> Cell:
        self.say(name)
        classes = ",".join(bench.opened.data.class_name for bench in benches)
        digests = ",".join(bench.opened.digest for bench in benches)
        tags = RunTags(classes, str(what["method"]), NO_STUDY, digests)
        extra = {ROLE: "cell", CELL: key}
        with tracked_run(self.parent.worker, tags, name=name, parent=self.parent, extra=extra) as run:
            run.log_params({name: str(value) for name, value in what.items()})
            log_surroundings(run, benches[0])
            outcome = compute()
            run.log_metrics(outcome.metrics())
            with tempfile.TemporaryDirectory() as scratch:
                write_scores([CellScores.of(*evaluation) for evaluation in outcome.evaluations], Path(scratch) / FILE)
                for name, picture in outcome.pictures.items():
                    save_png(Path(scratch) / name, picture)
                run.log_folder(Path(scratch))
        return read_cell(run.run_id, reused=False)


def _surroundings(bench: Workbench) -> dict[str, object]:
    """What the numbers of a class depend on besides the detector."""
    return {
        "splits": bench.opened.digest,
        "image": bench.image,
        "trunk": bench.backbone.trunk.sha256,
        "device": bench.backbone.device.type,
        "threads": torch.get_num_threads(),
    }


@cache
def code_version() -> str:
    """A SHA-256 of torch's version and of the code that makes numbers: where the code differs, so do the cells."""
    root = Path(adtrack.__file__).parent
    state = hashlib.sha256(torch.__version__.encode())
    files = [root / name for name in _MODULES] + [file for room in _ROOMS for file in (root / room).rglob("*.py")]
    for file in sorted(files):
        state.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return state.hexdigest()
