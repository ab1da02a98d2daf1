"""Runs put together of what a tracker has left of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mlxkit.errors import NotFoundError
from mlxkit.runs.history import History
from mlxkit.runs.team import describe_of_team
from mlxkit.stacks.registries import TrackedRun
from mlxkit.stacks.tags import RUN_ID, RUN_NAME
from mlxkit.stacks.teams import TeamQuestion


class Tracker:
    """A tracker with a child run whose parent was deleted, and one that vanishes once it was found."""

    def __init__(self, *answers: list[TrackedRun]) -> None:
        self._answers = list(answers)

    def team_runs(self, question: TeamQuestion) -> Iterator[TrackedRun]:
        by_id = any(asked.subject == "attribute" for asked in question.conditions)
        if question.with_children or by_id:
            return iter(self._answers.pop(0))
        return iter(())


def child() -> TrackedRun:
    return TrackedRun(
        "c1",
        "e1",
        "fit",
        "completed",
        1.0,
        2.0,
        metrics={"loss": 0.5},
        tags={RUN_ID: "r1", RUN_NAME: "odd-cat"},
    )


def test_a_child_whose_parent_is_gone_is_what_is_left_of_the_run() -> None:
    found = describe_of_team(Tracker([child()], [child()]), History.in_memory(), "c1")  # type: ignore[arg-type]
    assert found.listing.run.name == "odd-cat" and found.listing.metrics == {"loss": 0.5}
    assert found.listing.tracker_runs == ("c1",)


def test_the_start_of_several_ids_is_said_to_be_that() -> None:
    class Full:
        def team_runs(self, question: TeamQuestion) -> Iterator[TrackedRun]:
            if any(asked.operator == "like" for asked in question.conditions):
                for run_id in ("abcd2", "abcd1"):
                    yield replace(child(), tags={RUN_ID: run_id})

    with pytest.raises(NotFoundError, match=r"several runs begin with 'abcd': abcd2, abcd1$"):
        describe_of_team(Full(), History.in_memory(), "abcd")  # type: ignore[arg-type]


def test_a_run_that_is_deleted_while_it_is_asked_for_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="the tracker has no run 'c1'"):
        describe_of_team(Tracker([child()], []), History.in_memory(), "c1")  # type: ignore[arg-type]
