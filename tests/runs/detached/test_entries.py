"""What a job tells of its run over a store, and what another history makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlxkit.artifacts.trust import mark
from mlxkit.errors import MlxError
from mlxkit.integrations.local.artifact_store import LocalArtifactStore
from mlxkit.runs.deletion import somebody_runs
from mlxkit.runs.detached.documents import document_of, error_document, take_document
from mlxkit.runs.detached.entries import PIECE, Teller, forget_entries, take_entries
from mlxkit.runs.detached.place import Place, detached_running
from mlxkit.runs.history import History
from mlxkit.runs.queries import RunQueries
from mlxkit.runs.records import OutputRecord, RunRecord, StepRecord
from mlxkit.runs.sweep import sweep
from mlxkit.stacks.protocols import TrackerRun
from mlxkit.stacks.resolve import ResolvedComponent

PLACE = Place("r1", "mlx-r1", "http://cluster:8265", "cluster", "team", is_here=False)
RUN = RunRecord("r1", "train-1", "train", "team", "running", 10.0, parameters={"n": 3}, tags=("nightly",))


@pytest.fixture
def laptop(home: Path) -> Iterator[History]:
    """A history that knows that a run was submitted."""
    history = History(home / "laptop")
    history.begin_run(replace(RUN, name="p-0", pipeline="p", parameters={}, metadata=PLACE.noted()), {}, "")
    yield history
    history.close()


@pytest.fixture
def job(home: Path) -> Iterator[History]:
    """The history of the job, with a step that ended."""
    history = History(home / "job")
    history.begin_run(RUN, {"python": "3.11"}, "e1")
    output = OutputRecord("output", "ab" * 32, "json", "int", 2, inline=b"\x00\xff")
    history.record_step(StepRecord("s1", "r1", "load", 0, "completed", 11.0, 12.0, outputs=(output,)))
    history.add_tracker_run("r1", TrackerRun("t", "https://mlflow", "m1"))
    yield history
    history.close()


@pytest.fixture
def store(home: Path) -> LocalArtifactStore:
    component = ResolvedComponent("artifact_store", "s", "local", {"path": str(home / "store")})
    return LocalArtifactStore(component, home / "laptop")


def _marked(step: StepRecord) -> StepRecord:
    outputs = tuple(replace(item, summary=mark(item.summary, "job mlx-r1", "r1")) for item in step.outputs)
    return replace(step, outputs=outputs)


def _document(history: History) -> bytes:
    document = document_of(history, "r1")
    assert document is not None
    return document


def test_a_document_carries_all_of_a_run_and_taking_it_twice_changes_nothing(
    laptop: History, job: History
) -> None:
    for _ in range(2):
        assert take_document(laptop, _document(job), PLACE) == "r1"
        queries = RunQueries(laptop)
        run = queries.get("r1")
        assert (run.name, run.pipeline, run.parameters, run.tags) == (
            "train-1",
            "train",
            {"n": 3},
            ("nightly",),
        )
        assert Place.of(run) == PLACE
        assert queries.environment(run) == {"python": "3.11"}
        assert queries.steps("r1") == [_marked(step) for step in RunQueries(job).steps("r1")]
        assert queries.tracker_runs("r1") == ["m1"]
    job.finish_run("r1", "completed", measured=({"rmse": 0.5, "odd": float("nan")}, {"lr": "1"}))
    take_document(laptop, _document(job), PLACE)
    assert RunQueries(laptop).get("r1").status == "completed"
    assert RunQueries(laptop).metrics("r1")["rmse"] == 0.5


def test_a_run_that_has_ended_here_is_not_revived(laptop: History, job: History) -> None:
    laptop.finish_run("r1", "interrupted")
    take_document(laptop, _document(job), PLACE)
    assert RunQueries(laptop).get("r1").status == "interrupted"


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'{"run": "r1", "version": 99}', b'{"version": 1, "run": "r1", "tables": {}}'],
)
def test_what_cannot_be_read_is_an_error_and_changes_nothing(laptop: History, content: bytes) -> None:
    with pytest.raises(MlxError):
        take_document(laptop, content, PLACE)
    assert RunQueries(laptop).get("r1").status == "running"


def test_a_failure_before_the_run_began_is_its_error(laptop: History) -> None:
    take_document(laptop, error_document("r1", "no secret named 'x'"), PLACE)
    run = RunQueries(laptop).get("r1")
    assert (run.status, run.error) == ("failed", "no secret named 'x'")


def test_logs_and_documents_arrive_in_pieces_and_only_once(
    laptop: History, job: History, store: LocalArtifactStore, home: Path
) -> None:
    teller = Teller(store, "r1")
    log = home / "00000-load.log"
    log.write_text("first\n")
    teller.tell("r1", _document(job))
    teller.tell_log("r1", log)
    assert take_entries(laptop, store, PLACE) == ["r1"]
    with log.open("ab") as more:
        more.write("é".encode()[:1])  # a character that is not whole yet
    teller.tell_log("r1", log)
    with log.open("ab") as more:
        more.write("é".encode()[1:] + b"x" * (2 * PIECE))
    teller.tell_log("r1", log)
    job.finish_run("r1", "completed")
    teller.tell("r1", _document(job))
    teller.tell("r1", _document(job))
    assert len(list(store.entries("runs/r1/doc/"))) == 1
    for _ in range(2):
        take_entries(laptop, store, PLACE)
        kept = laptop.state_dir / "logs" / "r1" / "00000-load.log"
        assert kept.read_bytes() == log.read_bytes()
        assert kept.stat().st_mode & 0o777 == 0o600
    assert RunQueries(laptop).get("r1").status == "completed"
    forget_entries(store, "r1")
    assert list(store.entries("runs/")) == []


@pytest.mark.parametrize("file", ["../../history.db", "00000-../x.log", "99999-other.log", "00000-load.txt"])
def test_a_log_goes_nowhere_but_among_the_logs(laptop: History, store: LocalArtifactStore, file: str) -> None:
    told = json.dumps({"file": file, "from": 0, "text": "x"}).encode()
    store.put_entry("runs/r1/log/r1/00000/000000000000-000000000001", told)
    take_entries(laptop, store, PLACE)
    assert not (laptop.state_dir / "logs" / "r1").exists()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("runs/r1/log/odd", {"file": "00000-load.log", "from": 0, "text": "x"}),
        ("runs/r1/log/r1/00000/x-y", {"file": "00000-load.log", "from": 0, "text": "x"}),
        ("runs/r1/log/r1/00000/000000000000-000000000001", {"file": "00000-load.log", "from": "x", "text": 1}),
        ("runs/r1/log/r1/00000/000000000000-000000000001", {"file": "00000-a\0.log", "from": 0, "text": "x"}),
        ("runs/r1/log/r1/00000/000000000000-000000000001", ["x"]),
        ("runs/r1/log/r1/00000/000000000000-000000000001", {"file": "00000-load.log", "from": 1 << 40, "text": "xy"}),
        ("runs/r1/log/r1/00000/900000000000-900000000001", {"file": "00000-load.log", "from": 9 * 10**11, "text": "x"}),
        ("runs/r1/log/mine/00000/000000000000-000000000001", {"file": "00000-load.log", "from": 0, "text": "x"}),
        ("runs/r1/doc/odd", {}),
        ("runs/r1/doc/mine/00000001", {"version": 1, "run": "mine", "error": "ended by a stranger"}),
    ],
)  # fmt: skip
def test_what_a_stranger_put_beside_a_run_keeps_nobody_from_an_answer(
    laptop: History, job: History, store: LocalArtifactStore, name: str, told: object
) -> None:
    laptop.begin_run(replace(RUN, id="mine", name="mine"), {}, "")
    store.put_entry(name, json.dumps(told).encode())
    Teller(store, "r1").tell("r1", _document(job))
    assert take_entries(laptop, store, PLACE) == ["r1"]
    assert RunQueries(laptop).get("mine").status == "running"
    assert not list((laptop.state_dir / "logs").rglob("*.log"))


def test_a_damaged_document_is_said_after_the_others_were_taken(
    laptop: History, job: History, store: LocalArtifactStore
) -> None:
    store.put_entry("runs/r1/doc/other/00000001", b'{"version": 1, "run": "r1", "error": "of another name"}')
    Teller(store, "r1").tell("r1", _document(job))
    with pytest.raises(MlxError, match="not its own"):
        take_entries(laptop, store, PLACE)
    assert RunQueries(laptop).get("r1").name == "train-1"
    assert RunQueries(laptop).get("r1").error == ""


def test_no_sweep_ends_a_run_that_goes_on_elsewhere(laptop: History) -> None:
    laptop.begin_run(replace(RUN, id="r2", name="mine"), {}, "")

    def no_tracker(name: str) -> object:
        raise AssertionError(name)

    assert sweep(laptop, no_tracker) == ["r2"]  # type: ignore[arg-type]
    assert [run.id for run in detached_running(laptop)] == ["r1"]
    assert somebody_runs(laptop)
