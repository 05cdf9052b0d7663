"""export: the tables, figures and reports of studies as files."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from adtrack.errors import UserError
from adtrack.tracking.run_contents import has_file, run_file
from adtrack.tracking.store import open_store
from adtrack.tracking.trials import TrialRecord, latest_studies, study_parent, study_trials
from adtrack.tuning.finish import REPORT
from adtrack.tuning.plots import study_figures, write_figures
from adtrack.tuning.tables import write_tables


@dataclass(frozen=True)
class ExportReport:
    """What was written, of which studies."""

    studies: tuple[str, ...]
    files: tuple[Path, ...]


def export(class_name: str | None, study: str | None, out: Path) -> ExportReport:
    """Write the tables of the newest study of a class (of every class without one) or of ``study``, its figures and its
    report."""
    open_store()
    studies = [study] if study else latest_studies(class_name)
    by_study = {name: study_trials(name) for name in studies}
    trials = [trial for records in by_study.values() for trial in records]
    if not trials:
        asked = f"study {study}" if study else f"class {class_name}" if class_name else "the store"
        raise UserError(f"there must be finished trials to export, but {asked} has none.", "run adtrack tune first.")
    try:
        out.mkdir(parents=True, exist_ok=True)
        files = write_tables(trials, out)
        for name, records in by_study.items():
            folder = _study_folder(out, records, len(by_study))
            figures = study_figures(records)
            files += [*write_figures(figures, records[0].class_name, folder / "plots"), *_copied_report(name, folder)]
    except OSError as error:
        raise UserError(f"out must be a folder that can be written to, but {out} is not ({error.strerror}).") from error
    return ExportReport(tuple(by_study), tuple(files))


def _study_folder(out: Path, records: list[TrialRecord], studies: int) -> Path:
    """A folder a class where there are several; its name was checked when the class was read from disk."""
    return out / Path(records[0].class_name).name if studies > 1 and records else out


def _copied_report(study: str, folder: Path) -> list[Path]:
    """The study's page; none while the study is not finished."""
    parent = study_parent(study)
    if parent is None or not has_file(parent, REPORT):
        return []
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copyfile(run_file(parent, REPORT), folder / REPORT))]
