"""doctor as its users call it: on a fresh folder, on a study in order, and on one that was killed."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from adtrack.findings import BROKEN, NOTE, Check, Finding
from adtrack.tracking.store import open_store, search_runs
from adtrack.verbs.doctor import verb as verb
from adtrack.verbs.doctor.report import print_report
from adtrack.verbs.doctor.verb import DoctorReport

CHECK = re.compile(r"^  (ok|note|broken) +(\S.*?)  ", re.M)


def files(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def levels(out: str) -> dict[str, str]:
    return {name: level for level, name in CHECK.findall(out)}


def test_a_fresh_folder_stays_empty(adtrack, tmp_path, own_cache, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for options in ((), ("--fix",)):
        done = adtrack("doctor", *options)
        assert done.code == 0 and "no store yet" in done.out and "Nothing is broken." in done.out, done.out
        assert files(tmp_path) == {} and files(own_cache) == {} and done.err == ""


def test_a_study_in_order_is_left_as_it_is(own_study, adtrack):
    before, cache = files(own_study.folder), files(own_study.cache)
    done = adtrack("doctor")
    assert done.code == 0, done.out
    found = levels(done.out)
    assert found["store"] == found["adtrack-part"] == found["studies"] == found["orders"] == "ok"
    assert files(own_study.folder) == before and files(own_study.cache) == cache


def test_what_cannot_be_mended_stays_broken_and_nothing_is_removed(own_study, adtrack):
    (trunk,) = own_study.folder.glob("mlruns/*/models/**/trunk.safetensors")  # only the registered model has one
    trunk.with_name("bank.safetensors").unlink()
    before = files(own_study.folder)
    done = adtrack("doctor", "--fix")
    assert done.code == 1 and levels(done.out)["adtrack-part"] == "broken"
    assert "Mended: nothing" in done.out and files(own_study.folder) == before


@pytest.mark.parametrize("options", [("--storage", "nonsense"), ("--storage", "postgresql://a:secret@127.0.0.1:1/x")])
def test_a_storage_that_cannot_be_opened_is_broken(own_study, adtrack, options):
    done = adtrack("doctor", *options)
    assert done.code == 1 and levels(done.out)["studies"] == "broken" and "secret" not in done.out + done.err


def test_a_store_that_cannot_be_opened_does_not_keep_the_rest_from_being_looked_at(workplace, adtrack):
    (workplace / "mlflow.db").write_bytes(b"garbage" * 1000)
    done = adtrack("doctor")
    assert done.code == 1 and levels(done.out)["store"] == "broken" and levels(done.out)["python"] == "ok"


def test_a_damaged_cache_entry_is_removed(own_study, adtrack):
    entry = next((own_study.cache / "features").glob("*/features.npy"))
    entry.write_bytes(entry.read_bytes()[:-9])
    done = adtrack("doctor")
    assert done.code == 1 and levels(done.out)["features"] == "broken" and "adtrack doctor --fix" in done.out
    done = adtrack("doctor", "--fix")
    assert done.code == 0 and levels(done.out)["features"] == "ok", done.out
    assert "Mended: removed damaged features:" in done.out and not entry.parent.exists()
    assert entry.parent.name in done.out


BEGIN = """
import sys, time
import optuna
from adtrack.tracking.runs import tracked_run
from adtrack.tracking.tags import RunTags
from adtrack.tracking.store import open_store
from adtrack.tracking.workers import working
open_store()
name = sys.argv[1]
tags, role = RunTags("part", "patchcore", name, "0"), {"adtrack.role": "trial"}
with working() as worker, tracked_run(worker, tags, name="trial", extra=role):
    study = optuna.load_study(study_name=name, storage="sqlite:///optuna.db")
    trial = study.ask(study.trials[0].distributions)
    trial.set_user_attr("worker", worker.name)
    print("ready", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_process_left_is_found_and_mended(own_study, adtrack):
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", BEGIN, own_study.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout.readline() == b"ready\n", process.stderr.read()
        at_work = adtrack("doctor", "--fix")
        assert at_work.code == 0 and "1 run at work" in at_work.out and "1 trial at work" in at_work.out, at_work.out
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    found = adtrack("doctor")
    assert found.code == 1 and {levels(found.out)[name] for name in ("runs", "studies")} == {"broken"}
    done = adtrack("doctor", "--fix")
    assert done.code == 0, done.out
    assert "Mended: ended 1 run: 1 as KILLED, 0 as FINISHED" in done.out and "1 queued again" in done.out
    again = adtrack("doctor", "--fix")
    assert again.code == 0 and "Mended: nothing" in again.out
    open_store()
    assert sorted(run.info.status for run in search_runs("")) == ["FINISHED"] * 4 + ["KILLED"]


def test_a_mend_that_fails_does_not_keep_the_others_from_theirs(monkeypatch):
    def fail() -> str:
        raise OSError("the disk is full")

    mends = (fail, lambda: "mended it")
    findings = tuple(Finding(BROKEN, f"number {at}", "means", "remedy", (), mend) for at, mend in enumerate(mends))
    monkeypatch.setattr(verb, "examine", lambda storage: [Check("group", "name", "detail", findings)])
    report = verb.doctor(None, fix=True)
    assert report.mended == ("mended it",) and report.failed == ("number 0: the disk is full",) and report.broken
    assert verb.doctor(None, fix=False).mended == ()


@pytest.mark.parametrize("columns", [80, 110])
def test_the_report_fits_and_says_what_to_do(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    long = (
        "This is a sentence that is much longer than any line of a terminal is, and that goes on for a while yet. " * 2
    )
    many = tuple(f"item {number}" for number in range(9))
    findings = (
        Finding(BROKEN, "a thing is broken", long, long, many, lambda: "done"),
        Finding(NOTE, "a thing is worth a note", long, long),
    )
    checks = (
        Check("Group", "first", long, findings),
        Check("Group", "second", "fine"),
        Check("Other", "third", "fine"),
    )
    lines: list[str] = []

    def say(line: str, marked: str = "", **style: object) -> None:
        lines.append(line.replace(marked, click.style(marked, **style), 1) if marked else line)

    print_report(DoctorReport(checks, (), ()), False, say)
    text = "\n".join(lines)
    plain = click.unstyle(text)
    assert max(map(len, plain.splitlines())) <= columns and click.style("broken", fg="red", bold=True) in text
    assert plain.count("Means:") == plain.count("To do:") == 2 and plain.count("Group") == 1
    assert "item 4" in plain and "item 5" not in plain and "… and 4 more" in plain
    assert plain.endswith("1 broken and 1 note. adtrack doctor --fix mends 1 of them.")
    print_report(DoctorReport(checks[1:], ("one thing",), ("another: why",)), True, say)
    end = click.unstyle("\n".join(lines))
    assert "Mended: one thing\nNot mended: another: why" in end and end.endswith("All is well.")


def test_a_long_name_leaves_room_for_what_is_told():
    """A class may be called anything, and doctor's line of its model begins with that."""
    lines: list[str] = []
    checks = (Check("Models", f"adtrack-{'x' * 120}", "1 version; champion is 1"), Check("Models", "trunks", "fine"))
    print_report(DoctorReport(checks, (), ()), False, lambda line, *_, **__: lines.append(line))
    assert lines[1].startswith("  ok      adtrack-xxx") and lines[1].endswith("x  1 version; champion is 1")
    assert len(lines[2]) < 60


def test_wrong_usage_exits_with_2(adtrack):
    assert adtrack("doctor", "--repair").code == 2
