"""What a job does with the run that it was started for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlxkit.errors import MlxError
from mlxkit.integrations.local.artifact_store import LocalArtifactStore
from mlxkit.pipelines.detached import job as module
from mlxkit.pipelines.detached.job import Claim, Job, told_of
from mlxkit.pipelines.session import Session
from mlxkit.runs.detached.entries import submitted_name
from mlxkit.runs.detached.place import Place
from mlxkit.runs.history import History
from mlxkit.runs.liveness import Heartbeat
from mlxkit.runs.queries import RunQueries
from mlxkit.runs.records import RunRecord
from tests.conftest import Result

Mlx = Callable[..., Result]

CONFIG = """
version: 1
default_stack: far
artifact_stores:
  mount: {flavor: local, path: ../mount}
stacks:
  far: {orchestrator: local, artifact_store: mount}
"""
PLACE = Place("r1", "mlx-r1", "http://cluster:8265", "cluster", "far", is_here=False)
RUN = RunRecord("r1", "train-1", "train", "far", "running", 10.0, metadata=PLACE.noted())


@pytest.fixture
def history(project: Path) -> Iterator[History]:
    Path("p.py").write_text("from mlxkit import pipeline\n\n@pipeline\ndef train() -> None: ...\n")
    history = History(Path(".mlx"))
    history.begin_run(RUN, {}, "")
    yield history
    history.close()


@pytest.fixture
def as_job(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    """Set what the printed command line of a job sets."""
    monkeypatch.setenv("MLX_JOB", "r1")
    monkeypatch.setenv("MLX_STATE", str(project.resolve() / ".mlx"))


def test_the_line_of_a_job_runs_the_run_that_was_submitted(mlx: Mlx, history: History, as_job: None) -> None:
    result = mlx("run", "p.py")
    assert result.code == 0, result.stderr
    made = [(run.id, run.name, run.status) for run in RunQueries(history).list()]
    assert made == [("r1", "train-1", "completed")]


def test_the_line_of_a_job_started_again_changes_nothing(mlx: Mlx, history: History, as_job: None) -> None:
    history.finish_run("r1", "killed", error="the job was stopped")
    before = RunQueries(history).get("r1")
    result = mlx("run", "p.py")
    assert result.code != 0
    assert "cannot be started again" in result.stderr
    assert RunQueries(history).get("r1") == before


def test_the_line_of_a_job_started_beside_it_changes_nothing(
    mlx: Mlx, history: History, as_job: None
) -> None:
    heartbeat = Heartbeat(history.alive_dir.resolve(), "r1")
    try:
        result = mlx("run", "p.py")
    finally:
        heartbeat.stop()
    assert "goes on in another process" in result.stderr
    assert RunQueries(history).get("r1").status == "running"


@pytest.fixture
def session(project: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The job's own, on another machine: only the store is the same."""
    Path("mlx.yaml").write_text(CONFIG)
    monkeypatch.setattr(module, "_AGAIN", (0.0, 0.0, 0.0), raising=False)
    session = Session()
    told = Job(PLACE, {}, {}, None).told()
    session.store.put_entry(submitted_name("r1"), json.dumps(told).encode())  # type: ignore[attr-defined]
    return session


class _Flaky:
    """A store that does not answer for some time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, failures: int) -> None:
        self.left = failures
        put = LocalArtifactStore.put_entry

        def put_entry(store: LocalArtifactStore, name: str, content: bytes) -> bytes:
            if self.left:
                self.left -= 1
                raise MlxError("the store does not answer")
            return put(store, name, content)

        monkeypatch.setattr(LocalArtifactStore, "put_entry", put_entry)


def _begin(session: Session) -> None:
    session.history.begin_run(RUN, {}, "")
    session.history.finish_run("r1", "completed")
    session.made.append("r1")


def test_the_last_word_is_told_to_a_store_that_answers_late(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with told_of(session, Claim("r1", is_here=False)):
        _begin(session)
        flaky = _Flaky(monkeypatch, 3)
    assert flaky.left == 0
    assert len(list(session.store.entries("runs/r1/doc/r1/"))) == 1  # type: ignore[attr-defined]


def test_a_store_that_never_answers_is_an_error_unless_the_run_has_its_own(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    _Flaky(monkeypatch, 1000)
    with pytest.raises(MlxError, match="does not answer"), told_of(session, Claim("r1", is_here=False)):
        _begin(session)
    with pytest.raises(ValueError, match="the run's own"), told_of(session, Claim("r1", is_here=False)):
        raise ValueError("the run's own")
