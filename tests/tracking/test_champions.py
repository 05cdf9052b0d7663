"""The champion's moves: they are kept, and a rollback goes to the champion before."""

from mlflow import MlflowClient

from adtrack.tracking.champions import (
    PROMOTED,
    ROLLED_BACK,
    Move,
    champion_line,
    move_champion,
    moves,
    previous_champion,
)
from adtrack.tracking.registry import champion_of

NAME = "adtrack-nut"


def move(version: int, before: int | None, what: str = PROMOTED, why: str = "better", forced: tuple = ()) -> Move:
    return Move(version, before, what, "ina", "2026-01-02T03:04:05+00:00", why, forced)


def go(version: int, **more) -> None:
    champion = champion_of("nut")
    move_champion(NAME, move(version, champion and champion.version, **more))


def back() -> int | None:
    earlier = previous_champion(NAME)
    if earlier is not None:
        go(earlier, what=ROLLED_BACK)
    return earlier


def test_moves_are_kept_in_order_with_who_when_and_why(nuts):
    told = [move(2, 1, why="sharper"), move(3, 2, forced=("val_shift: −0.050",)), move(2, 3, ROLLED_BACK, "alarms")]
    for one in told:
        move_champion(NAME, one)
    assert moves(NAME) == told and champion_of("nut").version == 2
    tags = MlflowClient().get_model_version(NAME, "2").tags
    assert set(tags) == {"adtrack.champion.0001", "adtrack.champion.0003"}
    assert '"who": "ina"' in tags["adtrack.champion.0003"] and '"why": "alarms"' in tags["adtrack.champion.0003"]


def test_a_history_outlasts_many_moves(nuts):
    for turn in range(60):
        go(2 + turn % 2, why="x" * 1000)
    assert len(moves(NAME)) == 60 and [one.version for one in moves(NAME)[-3:]] == [3, 2, 3]
    assert previous_champion(NAME) == 2


def test_rollbacks_go_further_back_each_time_and_end(nuts):
    for version in (2, 3, 4):
        go(version)
    assert [back(), back()] == [3, 2]
    go(5)  # 3 and 4 are out of the line: 1, 2, 5
    assert [back(), back(), back()] == [2, 1, None]
    assert champion_of("nut").version == 1


def test_a_champion_set_by_hand_goes_back_to_the_one_before(nuts):
    go(2)
    MlflowClient().set_registered_model_alias(NAME, "champion", "5")
    assert [back(), back()] == [2, 1]
    MlflowClient().delete_registered_model_alias(NAME, "champion")
    assert back() == 1


def test_deleted_versions_and_broken_tags_are_passed_over(nuts):
    for version in (2, 3, 4):
        go(version)
    client = MlflowClient()
    client.delete_model_version(NAME, "3")
    assert previous_champion(NAME) == 2
    for key, value in {"adtrack.champion.0002": "{", "adtrack.champion.x": "{}", "adtrack.champion.0009": "[]"}.items():
        client.set_model_version_tag(NAME, "2", key, value)
    client.set_model_version_tag(NAME, "2", "adtrack.champion.0007", '{"before": "one"}')
    assert [one.version for one in moves(NAME)] == [2, 4] and previous_champion(NAME) == 2


def test_champions_in_line():
    assert champion_line([]) == []
    assert champion_line([move(2, None)]) == [2]
    assert champion_line([move(2, 1), move(3, 2), move(2, 3, ROLLED_BACK), move(4, 2)]) == [1, 2, 4]
    assert champion_line([move(2, 1), move(1, 2)]) == [1, 2, 1]  # promoted again
    assert champion_line([move(3, 4, ROLLED_BACK)]) == [3]  # what came before was deleted
