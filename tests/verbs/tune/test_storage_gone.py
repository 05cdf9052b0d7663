"""The database of several studies goes away while their trials are shared out."""

from types import SimpleNamespace

import pytest
from optuna.exceptions import StorageInternalError

from adtrack.troubles import TroubleError
from adtrack.verbs.tune import several


def test_storage_that_goes_away_while_trials_are_shared_out_is_a_sentence(monkeypatch) -> None:
    def gone(*_: object, **__: object) -> list[object]:
        raise StorageInternalError("it blinks")

    monkeypatch.setattr(several, "_prepared", lambda *_: [])
    monkeypatch.setattr(several, "share_out", gone)
    question = SimpleNamespace(class_name="part", storage="postgresql://anna:secret@host/studies")
    with pytest.raises(TroubleError, match="host/studies no longer is") as told:
        several._all_shares([question], SimpleNamespace(), None, print, print)
    assert "secret" not in str(told.value)
