"""Records of moves: as a tag and back, and what they say about who held an alias before."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from mlxkit.models.evidence import EvidenceRow
from mlxkit.models.moves import Kind, Move, before, moves_of, moves_outside, new_move, tag_of
from mlxkit.stacks.registries import ModelVersion


def test_a_move_survives_being_a_tag() -> None:
    row = EvidenceRow("a < 1", 0.5, 1.0, True)
    move = new_move("production", 6, 7, kind="promote", why="it is better\n✓", evidence=[row])
    key, text = tag_of(move)
    told = json.loads(text)
    assert (told["alias"], told["from"], told["to"], told["why"]) == ("production", 6, 7, "it is better\n✓")
    assert told["evidence"] == [{"expression": "a < 1", "left": 0.5, "right": 1.0, "holds": True}]
    assert "@" in told["by"]
    assert moves_of([ModelVersion("iris", 7, tags={key: text})]) == [move]


def test_keys_sort_by_time_and_differ_within_one_moment() -> None:
    moves = [new_move("production", None, number, kind="promote") for number in range(50)]
    keys = [tag_of(move)[0] for move in moves]
    assert keys == sorted(keys)
    assert tag_of(moves[0])[0] != tag_of(moves[0])[0]
    assert all(key.startswith("mlx.move.20") and len(key) < 60 for key in keys)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "7", '{"at": "x"}', '{"at":"","by":"","alias":"a","from":"x","to":1}']
)
def test_a_tag_that_is_no_move_is_left_out(text: str) -> None:
    assert moves_of([ModelVersion("iris", 1, tags={"mlx.move.20260101-x": text})]) == []


def moves(*steps: tuple[int | None, int | None] | tuple[int | None, int | None, Kind]) -> list[Move]:
    return [
        Move("t", "me", "production", step[0], step[1], kind=step[2] if len(step) > 2 else "promote")
        for step in steps
    ]


@pytest.mark.parametrize(
    ("told", "now", "expected"),
    [
        ((), None, None),
        ((), 3, None),
        (((None, 1),), 1, None),
        (((None, 1), (1, 2)), 2, 1),
        (((None, 1), (1, 2), (2, 3)), 3, 2),
        (((None, 1), (1, 2), (2, 3), (3, 2, "rollback")), 2, 1),
        (((None, 1), (1, 2), (2, 3), (3, 2, "rollback"), (2, 1, "rollback")), 1, None),
        (((None, 1), (1, 2), (2, 1, "rollback"), (1, 3)), 3, 1),
        (((None, 1), (1, 2), (2, 1)), 1, 2),
        (((None, 1), (1, 2), (2, 1), (1, 2, "rollback")), 2, 1),
        (((None, 1), (1, 2), (2, None, "unset")), None, 2),
        (((None, 1), (1, 2), (2, None, "unset"), (None, 2, "rollback")), 2, 1),
        (((None, 1), (1, None, "unset"), (None, 1)), 1, None),
        (((5, 7),), 7, 5),  # 5 was put there by another tool
        (((None, 1), (5, 7)), 7, 5),
        (((None, 1),), 9, 1),  # 9 is there by another tool now
        (((None, 1), (1, 2)), None, 2),  # 2 was taken away by another tool
        (((2, 1, "rollback"),), 1, None),  # the moves before were on a version that was deleted
    ],
)
def test_who_held_it_before(told: Sequence[tuple[int, int]], now: int | None, expected: int | None) -> None:
    assert before(moves(*told), "production", now)[:1] == ([] if expected is None else [expected])


def test_other_aliases_do_not_count() -> None:
    other = [Move("t", "me", "staging", None, 9)]
    assert before([*moves((None, 1)), *other], "production", 1) == []


def test_an_alias_that_no_record_explains_was_moved_by_another_tool() -> None:
    recorded = [*moves((None, 1), (1, 2)), Move("t", "me", "staging", None, 3)]
    assert moves_outside(recorded, {"production": 2, "staging": 3}) == []
    found = moves_outside(recorded, {"production": 5, "champion": 1})
    assert [(move.alias, move.previous, move.version, move.is_recorded) for move in found] == [
        ("champion", None, 1, False),
        ("production", 2, 5, False),
        ("staging", 3, None, False),
    ]
    assert found[1].why == "set by another tool"
    assert "removed" in found[2].why
