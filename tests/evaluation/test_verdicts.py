from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from adtrack.evaluation.evaluate import Evaluation
from adtrack.evaluation.verdicts import verdicts


@dataclass(frozen=True)
class Record:
    path: str
    kind: str
    label: int


def evaluation(rows: list[tuple[str, int, float]], threshold: float) -> Evaluation:
    records = [Record(path, "scratch" if label else "good", label) for path, label, _ in rows]
    scores = np.array([score for _, _, score in rows])
    scored = SimpleNamespace(images=SimpleNamespace(records=records), scores=scores)
    return Evaluation(scored, threshold, {})


def test_what_is_most_wrong_comes_first_and_what_is_safest_last():
    rows = [
        *(("safe", 0, 0.1), ("close", 0, 0.9), ("found", 1, 1.5)),
        *(("missed by far", 1, 0.2), ("alarm", 0, 1.3), ("missed", 1, 0.9)),
    ]
    found = verdicts(evaluation(rows, 1.0))
    assert [verdict.path for verdict in found] == ["missed by far", "alarm", "missed", "close", "found", "safe"]
    words = ["missed", "false alarm", "missed", "passed", "found", "passed"]
    assert [verdict.word for verdict in found] == words


def test_a_score_at_the_threshold_is_an_alarm_and_equals_are_ordered_by_path():
    found = verdicts(evaluation([("b", 0, 1.0), ("a", 0, 1.0), ("c", 1, 1.0)], 1.0))
    assert [(verdict.path, verdict.word) for verdict in found] == [
        ("a", "false alarm"),
        ("b", "false alarm"),
        ("c", "found"),
    ]
