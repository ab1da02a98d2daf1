from __future__ import annotations

import sqlite3
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mlxkit.errors import MlxError, NotFoundError
from mlxkit.runs.history import _LOOKED_AT, History, history_path
from mlxkit.runs.queries import RunQueries
from mlxkit.runs.records import OutputRecord, RunRecord, StepRecord
from mlxkit.runs.sweep import sweep
from mlxkit.stacks.protocols import FinalStatus, TrackerRun


def run(id: str, **fields: object) -> RunRecord:
    blank = RunRecord(
        id=id, name=f"name-{id}", pipeline="train", stack="s", status="running", started=time.time()
    )
    return replace(blank, **fields)  # type: ignore[arg-type]


def step(id: str, run_id: str, **fields: object) -> StepRecord:
    output = OutputRecord("model", "d" * 64, "json", "builtins.int", 1, inline=b"1")
    blank = StepRecord(
        id, run_id, "fit", 0, "completed", 1.0, 2.0, cache_key="k", outputs=(output,), parts={"step": "a"}
    )
    return replace(blank, **fields)  # type: ignore[arg-type]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


def test_a_run_is_found_by_id_start_of_id_name_tracker_run_and_latest(history: History) -> None:
    history.begin_run(run("aaaa1111", started=1.0), {}, "e")
    history.begin_run(run("bbbb2222", started=2.0), {}, "e")
    history.add_tracker_run("aaaa1111", TrackerRun("t", "sqlite://", "mlflow-7"))
    queries = RunQueries(history)
    assert queries.get("latest").id == "bbbb2222"
    assert queries.get("aaaa").id == "aaaa1111"
    assert queries.get("name-aaaa1111").id == "aaaa1111"
    assert queries.get("mlflow-7").id == "aaaa1111"
    with pytest.raises(NotFoundError, match="did you mean 'bbbb2222'"):
        queries.get("bbbb2223")


def test_the_start_of_several_ids_is_said_to_be_that(history: History) -> None:
    for number in range(5):
        history.begin_run(run(f"aaaa{number}", started=float(number)), {}, "e")
    queries = RunQueries(history)
    with pytest.raises(
        NotFoundError, match=r"several runs begin with 'aaaa': aaaa4, aaaa3, aaaa2, [.]{3}$"
    ) as raised:
        queries.get("aaaa")
    assert raised.value.hint
    assert queries.get("aaaa3").id == "aaaa3"


def test_a_step_and_its_outputs_are_committed_together_and_found_by_key(history: History) -> None:
    history.begin_run(run("r1"), {}, "e")
    history.record_step(step("s1", "r1"))
    found = history.find_cached("k")
    assert found is not None
    assert found.outputs[0].inline == b"1"
    assert history.last_parts("train", "fit") == {"step": "a"}
    with pytest.raises(sqlite3.IntegrityError):
        history.record_step(step("s2", "r1", outputs=(found.outputs[0], found.outputs[0])))
    assert [item.id for item in RunQueries(history).steps("r1")] == ["s1"]


def test_a_failed_step_is_never_served_from_the_cache(history: History) -> None:
    history.begin_run(run("r1"), {}, "e")
    history.record_step(step("s1", "r1", status="failed"))
    assert history.find_cached("k") is None


def test_what_a_step_was_made_from_last_is_found_among_many_of_that_name(history: History) -> None:
    history.begin_run(run("old", pipeline="rare", started=1.0), {}, "e")
    history.record_step(step("s-old", "old", parts={"step": "old"}))
    for number in range(2 * _LOOKED_AT):
        history.begin_run(run(f"r{number}", started=2.0 + number), {}, "e")
        history.record_step(
            step(f"s{number}", f"r{number}", started=2.0 + number, status="cached", parts={"n": str(number)})
        )
    assert history.last_parts("train", "fit") == {
        "n": str(2 * _LOOKED_AT - 1)
    }  # served from the cache or not
    assert history.last_parts("rare", "fit") == {"step": "old"}
    assert history.last_parts("new", "fit") is None
    assert history.last_parts("train", "other") is None
    history.record_step(step("broken", "r1", started=1e6, status="skipped", parts={}))
    assert history.last_parts("train", "fit") == {"n": str(2 * _LOOKED_AT - 1)}


class Tracker:
    def __init__(self, answers: bool) -> None:
        self.answers = answers
        self.closed: list[tuple[str, str]] = []

    def close_orphan(self, orphan: TrackerRun, status: FinalStatus) -> bool:
        self.closed.append((orphan.run_id, status))
        return self.answers


def test_the_sweep_closes_what_a_dead_process_left_open_and_asks_a_silent_tracker_again_later(
    history: History,
) -> None:
    history.begin_run(run("dead"), {}, "e")
    history.add_tracker_run("dead", TrackerRun("t", "http://x", "m1"))
    tracker = Tracker(answers=False)
    assert sweep(history, lambda name: tracker) == ["dead"]  # type: ignore[arg-type,return-value]
    assert RunQueries(history).get("dead").status == "interrupted"
    assert tracker.closed == [("m1", "killed")]
    assert history.orphaned_tracker_runs() == []  # not due yet
    history.connection.execute("UPDATE tracker_runs SET retry_at = 0")
    tracker.answers = True
    assert sweep(history, lambda name: tracker) == []  # type: ignore[arg-type,return-value]
    assert len(tracker.closed) == 2
    history.connection.execute("UPDATE tracker_runs SET retry_at = 0")
    assert history.orphaned_tracker_runs() == []


def test_a_database_from_a_newer_version_is_refused(tmp_path: Path) -> None:
    History(tmp_path).connection.execute("PRAGMA user_version = 99")
    with pytest.raises(MlxError, match="written by a newer mlx"):
        History(tmp_path)


def test_a_broken_database_is_named_with_a_way_out_and_left_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "my state"
    folder.mkdir()
    history_path(folder).write_bytes(b"not a database, but long enough to look at" * 50)
    before = history_path(folder).read_bytes()
    with pytest.raises(MlxError, match="the run history cannot be read") as caught:
        History(folder)
    assert history_path(folder).read_bytes() == before
    subprocess.run(str(caught.value.hint).partition(": ")[2], shell=True, check=True)
    assert [path.read_bytes() for path in folder.glob("*.broken")] == [before]


def test_the_database_and_its_folder_are_private(tmp_path: Path) -> None:
    History(tmp_path / "state")
    assert history_path(tmp_path / "state").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


def test_a_history_to_read_makes_nothing_takes_no_writes_and_sees_what_others_write(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    assert RunQueries(History.to_read(state_dir)).list() == []
    assert not state_dir.exists()
    writing = History(state_dir)
    reading = History.to_read(state_dir)
    writing.begin_run(run("r1"), {}, "e")
    assert RunQueries(reading).get("latest").id == "r1"
    with pytest.raises(MlxError, match="cannot be written"):
        reading.begin_run(run("r2"), {}, "e")
    writing.connection.execute("PRAGMA user_version = 99")
    with pytest.raises(MlxError, match="written by a newer mlx"):
        History.to_read(state_dir)
    history_path(tmp_path).write_bytes(b"not a database, but long enough to look at" * 50)
    with pytest.raises(MlxError, match="the run history cannot be read"):
        History.to_read(tmp_path)


def test_a_run_that_is_over_does_not_begin_again(history: History) -> None:
    history.begin_run(run("r1", name="submitted"), {}, "e")
    history.begin_run(run("r1", name="begun"), {}, "e")  # as the job of a detached run does
    assert RunQueries(history).get("r1").name == "begun"
    history.finish_run("r1", "completed")
    with pytest.raises(MlxError, match="is over"):
        history.begin_run(run("r1", name="again"), {}, "e")
    found = RunQueries(history).get("r1")
    assert (found.name, found.status) == ("begun", "completed")
