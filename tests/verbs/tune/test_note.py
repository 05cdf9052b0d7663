"""The note on the run of several studies."""

from types import SimpleNamespace

from adtrack.reporting.table import Column, Table
from adtrack.verbs.tune import several


def test_the_note_fits_into_a_tag_however_many_classes_there_are(monkeypatch):
    monkeypatch.setattr(several, "run_experiment", lambda run_id: "1")
    parts = []
    for count in (3, 30, 300):
        found = {f"class{number}": SimpleNamespace(parent="0" * 32) for number in range(count)}
        rows = tuple((name, "a row of so many words that thirty of them do not fit" * 2) for name in found)
        table = Table("", (Column("Class", number=False), Column("Words", number=False)), rows, "Notes.")
        note = several._note("#/page", found, ["torn: no image."], table)
        assert len(note) <= 4000 and note.startswith("[The overview](#/page)")
        parts.append((note.count("#/experiments/1/runs/"), "torn: no image." in note, "| Class |" in note))
    assert parts == [(3, True, True), (30, True, False), (0, False, False)]
