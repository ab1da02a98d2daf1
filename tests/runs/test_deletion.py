"""Deleting and pruning runs: what goes, what stays, and what is left when it is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlxkit import Client
from mlxkit.deployments.entries import DeploymentEntry
from mlxkit.errors import ExitCode
from mlxkit.runs.deletion import delete_runs, free_released, is_referred_to, loss_of
from mlxkit.runs.history import History
from mlxkit.runs.pruning import Pruning, candidates, sweep_logs, sweep_store
from mlxkit.runs.queries import RunQueries
from mlxkit.runs.records import RunRecord
from mlxkit.stacks.protocols import TrackerRun
from tests.conftest import Result

MLX = Callable[..., Result]
BIG = 100_000
PIPELINE = f"""
from mlxkit import pipeline, step

@step
def load(n: int) -> bytes:
    print("loading", n)
    return bytes([n]) * {BIG}

@step
def fold(content: bytes, salt: int = 0) -> bytes:
    return content[::2] + bytes([salt])

@pipeline
def train(n: int = 1, salt: int = 0) -> None:
    fold(load(n), salt)
"""
WAITING = f"""
import time
from pathlib import Path
from mlxkit import pipeline, step

@step
def load(n: int) -> bytes:
    return bytes([n]) * {BIG}

@step(enable_cache=False)
def wait(content: bytes) -> None:
    Path("reached").touch()
    while not Path("go").exists():
        time.sleep(0.02)

@pipeline
def waiting(n: int = 1) -> None:
    wait(load(n))
"""


@pytest.fixture
def ran(mlx: MLX) -> MLX:
    assert mlx("init").code == 0
    Path("p.py").write_text(PIPELINE)
    Path("w.py").write_text(WAITING)
    return mlx


@pytest.fixture
def waiting(mlx_process: list[str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(*argv: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*mlx_process, "run", "w.py", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        _until(lambda: Path("reached").exists(), process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(60)


def _until(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _stored() -> set[Path]:
    return set(Path(".mlx/artifacts").glob("??/*"))


def _age(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (time.time() - 100_000,) * 2)


def _run(mlx: MLX, *argv: str) -> RunRecord:
    result = mlx("run", *argv)
    assert result.code == 0, result.stderr
    return Client().runs.get("latest")


def test_a_deleted_run_takes_its_rows_logs_and_content_along_and_nothing_of_others(ran: MLX) -> None:
    first = _run(ran, "p.py")
    kept = _stored()
    second = _run(ran, "p.py", "--n", "2")
    assert len(_stored()) == 4
    dry = ran("runs", "delete", second.id, "--dry-run", "-o", "json")
    assert [row["id"] for row in json.loads(dry.stdout)] == [second.id]
    assert len(_stored()) == 4
    refused = ran("runs", "delete", second.id)
    assert (refused.code, "--yes" in refused.stderr) == (ExitCode.usage, True)
    done = ran("runs", "delete", second.id, "--yes")
    assert done.code == 0 and "deleted 1 run" in done.stderr and "freed " in done.stderr
    assert _stored() == kept
    assert not Path(".mlx/logs", second.id).exists() and Path(".mlx/logs", first.id).exists()
    assert [run.id for run in Client().runs.list()] == [first.id]
    db = Client().history.connection
    for table in ("steps", "run_tags", "run_measures", "tracker_runs"):
        assert not db.execute(f"SELECT 1 FROM {table} WHERE run_id = ?", (second.id,)).fetchall()
    assert not db.execute("SELECT 1 FROM releases").fetchall()
    assert ran("runs", "describe", second.id).code == ExitCode.not_found


def test_cached_steps_keep_what_they_were_served_and_stand_for_the_deleted_run(ran: MLX) -> None:
    first = _run(ran, "p.py")
    second = _run(ran, "p.py", "--name", "again")
    stored = _stored()
    origin = Client().runs.step(first.id, "load").id
    assert Client().runs.step(second.id, "load").status == "cached"
    assert ran("runs", "delete", first.id, "--yes").code == 0
    assert _stored() == stored
    assert len(Client().get_run("again").steps["load"].output.load()) == BIG
    third = _run(ran, "p.py", "--name", "third")
    step = Client().runs.step(third.id, "load")
    assert (step.status, step.cached_from) == ("cached", origin)
    assert f"as in run {second.id}" in step.reason
    assert ran("runs", "delete", second.id, third.id, "--yes").code == 0
    assert _stored() == set()
    fourth = _run(ran, "p.py")
    assert {item.status for item in Client().runs.steps(fourth.id)} == {"completed"}


def test_a_run_that_goes_on_is_not_deleted_and_keeps_what_it_was_served(
    ran: MLX, waiting: Callable[..., subprocess.Popen[str]]
) -> None:
    # Another pipeline's step made the content first: the same digest, another step.
    source = _run(ran, "p.py")
    stored = _stored()
    process = waiting()
    running = Client().runs.get("latest")
    refused = ran("runs", "delete", running.id, source.id, "--yes")
    assert (refused.code, "is going on" in refused.stderr) == (ExitCode.failed, True)
    assert len(Client().runs.list()) == 2
    done = ran("runs", "delete", source.id, "--yes")
    assert done.code == 0 and "a run goes on" in done.stderr
    assert stored <= _stored()
    pruned = ran("runs", "prune", "--keep", "0", "--yes")
    assert pruned.code == 0, pruned.stderr
    assert stored <= _stored()
    Path("go").touch()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert Client().runs.get("latest").status == "completed"
    assert len(Client().get_run().steps["load"].output.load()) == BIG
    assert ran("runs", "prune", "--keep", "5", "--yes").code == 0
    assert len(_stored()) == 1  # what the other run had made and this one did not need
    assert len(Client().get_run().steps["load"].output.load()) == BIG


def test_a_step_that_is_served_while_its_source_is_deleted_keeps_its_content(
    ran: MLX,
) -> None:
    """The narrow gap: found in the cache, not yet recorded."""
    source = _run(ran, "p.py")
    history = Client().history
    history.begin_run(RunRecord("aaa", "n", "train", "default", "running", time.time()), {}, "e")
    alive = subprocess.Popen(
        [sys.executable, "-c", "import sys; from pathlib import Path; from mlxkit.runs.liveness import Heartbeat; "
         "h = Heartbeat(Path(sys.argv[1]), 'aaa'); print('held', flush=True); sys.stdin.read()", os.fspath(history.alive_dir)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert alive.stdout is not None and alive.stdout.readline() == "held\n"
    found = RunQueries(history).steps(source.id)
    delete_runs(history, [RunQueries(history).get(source.id)])
    store = Client().session.store
    assert free_released(history, lambda _: store).is_postponed
    for number, step in enumerate(found):
        history.record_step(
            replace(step, id=f"s{number}", run_id="aaa", status="cached", cached_from=step.id)
        )
    alive.communicate(timeout=60)
    history.finish_run("aaa", "completed")
    freed = free_released(history, lambda _: store)
    assert (freed.artifacts, freed.is_postponed) == (0, False)
    assert all(store.locate(item.uri).exists() for step in found for item in step.outputs)


def test_content_of_a_store_that_others_may_use_stays_unless_told(ran: MLX, tmp_path: Path) -> None:
    Path("mlx.yaml").write_text(
        f"version: 1\nartifact_stores:\n  big: {{flavor: local, path: '{tmp_path}/store'}}\n"
        "stacks:\n  s: {artifact_store: big}\n  other: {}\n"
    )
    assert ran("stack", "set", "s").code == 0
    for n in ("1", "2"):
        _run(ran, "p.py", "--n", n)
    inside = lambda: set((tmp_path / "store").glob("??/*"))  # noqa: E731
    assert len(inside()) == 4
    done = ran("runs", "delete", "latest", "--yes")
    assert done.code == 0 and "kept 2 artifacts" in done.stderr
    assert len(inside()) == 4
    assert ran("runs", "delete", "latest", "--yes", "--shared-store").code == 0
    assert len(inside()) == 2


def _old(history: History, count: int, **fields: Any) -> list[str]:
    made = []
    for number in range(count):
        values: dict[str, Any] = {"pipeline": "train", "status": "completed", "tags": (), **fields}
        day = 86_400 * (count - number)
        run = RunRecord(
            f"{values['pipeline']}{number}",
            f"n{number}",
            stack="default",
            started=time.time() - day,
            **values,
        )
        history.begin_run(run, {}, "e")
        made.append(run.id)
    return made


def test_pruning_takes_what_is_beyond_the_newest_of_a_pipeline_and_old_and_nothing_that_is_kept(
    tmp_path: Path,
) -> None:
    history = History(tmp_path)
    _old(history, 6)
    _old(history, 3, pipeline="score", tags=("keep",))
    _old(history, 2, pipeline="live", status="running")

    def chosen(**wanted: Any) -> list[str]:
        return [run.id for run in candidates(history, Pruning(**wanted))]

    assert chosen(keep=4) == ["train0", "train1"]
    assert chosen(keep=0, older_than=4.5 * 86_400) == ["train0", "train1"]
    assert chosen(keep=5, older_than=4.5 * 86_400) == ["train0"]
    assert chosen(older_than=5.5 * 86_400) == ["train0"]
    assert chosen(keep=4, pipeline="score") == []
    assert chosen(keep=0, status="failed") == []
    assert len(chosen(keep=0)) == 6
    assert [run.id for run in candidates(history, Pruning(keep=4), spared=["train0"])] == ["train1"]


def test_what_was_saved_by_hand_is_pruned_only_by_the_name_of_its_pipeline(tmp_path: Path) -> None:
    history = History(tmp_path)
    _old(history, 3, pipeline="save_artifact", kind="artifact")
    assert candidates(history, Pruning(keep=0)) == []
    assert len(candidates(history, Pruning(keep=1, pipeline="save_artifact"))) == 2


def test_content_that_is_saved_by_hand_while_it_is_freed_is_kept(
    ran: MLX, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the storing and the recording of it a pruning may come by."""
    from mlxkit.pipelines import named

    record = named._record_alone

    def pruned_before(*given: Any) -> None:
        for path in _stored():
            path.unlink()
        record(*given)

    monkeypatch.setattr(named, "_record_alone", pruned_before)
    view = named.save_artifact(b"x" * BIG, "by hand")
    assert len(view.load()) == BIG


def test_a_run_that_its_tracker_holds_for_open_is_deleted_with_a_warning(ran: MLX) -> None:
    run = _run(ran, "p.py")
    history = Client().history
    history.add_tracker_run(run.id, TrackerRun("gone", "http://127.0.0.1:9", "m1"))
    done = ran("runs", "delete", run.id, "--yes")
    assert done.code == 0
    assert "warning: gone could not be told yet how some of them ended" in done.stderr


def test_a_run_that_a_deployment_was_made_from_is_kept_unless_forced(ran: MLX) -> None:
    run = _run(ran, "p.py")
    folder = Path(".mlx/deployments/live")
    folder.mkdir(parents=True)
    entry = DeploymentEntry("live", "model", 1, "model@champion", folder, "v1", run=run.id)
    (folder / "deployment.json").write_bytes(entry.dumped())
    refused = ran("runs", "delete", run.id, "--yes")
    assert (refused.code, "deployment 'live' was made from it" in refused.stderr) == (ExitCode.failed, True)
    assert ran("runs", "prune", "--keep", "0", "--yes").code == 0
    assert len(Client().runs.list()) == 1
    assert ran("runs", "delete", run.id, "--yes", "--force").code == 0
    assert Client().runs.list() == []


def test_pruning_needs_to_be_told_what_is_old(ran: MLX) -> None:
    result = ran("runs", "prune", "--yes")
    assert (result.code, "--keep 50" in result.stderr) == (ExitCode.usage, True)


def test_pruning_says_what_would_go_and_frees_what_crashes_left(ran: MLX) -> None:
    runs = [_run(ran, "p.py", "--n", str(n)) for n in (1, 2, 3)]
    assert ran("runs", "tag", runs[0].id, "keep").code == 0
    orphan = Path(".mlx/artifacts/ab/ab" + "0" * 62)
    young = Path(".mlx/artifacts/cd/cd" + "0" * 62)
    for path in (orphan, young):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 5000)
    _age(orphan, *_stored() - {young})
    dry = ran("runs", "prune", "--keep", "1", "--dry-run", "-o", "json")
    assert [row["id"] for row in json.loads(dry.stdout)] == [runs[1].id]
    assert "would delete 1 run with 146" in dry.stderr  # 150,001 bytes and a log
    assert orphan.exists() and len(Client().runs.list()) == 3
    done = ran("runs", "prune", "--keep", "1", "--yes")
    assert done.code == 0, done.stderr
    assert not orphan.exists() and young.exists()
    assert [run.id for run in Client().runs.list()] == [runs[2].id, runs[0].id]
    assert len(_stored()) == 5
    assert len(Client().get_run(runs[0].id).steps["load"].output.load()) == BIG


def test_pruning_works_without_an_active_stack(ran: MLX) -> None:
    Path("mlx.yaml").write_text("version: 1\nstacks:\n  s: {}\n  other: {}\n")
    assert ran("stack", "set", "s").code == 0
    _run(ran, "p.py")
    Path("mlx.yaml").write_text("version: 1\nstacks:\n  other: {}\n")
    _age(*_stored())
    done = ran("runs", "prune", "--keep", "0", "--yes")
    assert done.code == 0, done.stderr
    assert (
        "kept 2 artifacts" in done.stderr
    )  # nobody knows their store any more, until all stores are looked at
    assert _stored() == set()


KILLED = """
import os, signal, sys
from mlxkit import Client
from mlxkit.runs import deletion
from mlxkit.pipelines.stores import stores_of

where, run_id = sys.argv[1:]
client = Client()
real = deletion.shutil.rmtree
def die(*_args, **_named):
    os.kill(os.getpid(), signal.SIGKILL)
history = client.history
runs = [client.runs.get(run_id)]
if where == "logs":
    deletion.shutil.rmtree = die
deletion.delete_runs(history, runs)
store = client.session.store
if where == "content":
    delete = store.delete
    def once(uri):
        delete(uri)
        die()
    store.delete = once
deletion.free_released(history, lambda _: store)
die()
"""


@pytest.mark.parametrize("where", ["logs", "content"])
def test_what_a_killed_deletion_left_is_removed_by_the_next_prune(ran: MLX, where: str) -> None:
    kept = _run(ran, "p.py")
    stored = _stored()
    doomed = _run(ran, "p.py", "--n", "2")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, where, doomed.id], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [run.id for run in Client().runs.list()] == [kept.id]  # gone as a whole
    assert _stored() != stored
    assert ran("runs", "prune", "--keep", "5", "--yes").code == 0
    assert _stored() == stored
    assert [path.name for path in Path(".mlx/logs").iterdir()] == [kept.id]
    assert Client().history.connection.execute("SELECT * FROM releases").fetchall() == []
    again = ran("runs", "prune", "--keep", "5", "--yes")
    assert "freed" not in again.stderr


def test_two_processes_that_prune_at_once_do_it_once(ran: MLX, mlx_process: list[str]) -> None:
    for n in range(4):
        _run(ran, "p.py", "--n", str(n))
    both = [
        subprocess.Popen(
            [*mlx_process, "runs", "prune", "--keep", "1", "--yes"], stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    assert [(process.wait(60), process.communicate()[1]) for process in both if process.wait(60)] == []
    assert len(Client().runs.list()) == 1
    assert len(_stored()) == 2
    assert len(Client().get_run().steps["load"].output.load()) == BIG


def test_what_is_lost_counts_each_content_once_and_what_others_need_not_at_all(ran: MLX) -> None:
    first = _run(ran, "p.py")
    second = _run(ran, "p.py", "--salt", "1")  # the same `load`, another `fold`
    history = Client().history
    logs = Path(".mlx/logs", first.id, "00000-load.log").stat().st_size
    assert loss_of(history, [first.id]).to_dict() | {"schema_version": 0} == {
        "schema_version": 0, "runs": 1, "artifacts": 1, "size": BIG // 2 + 1 + logs,
    }  # fmt: skip
    assert loss_of(history, [first.id, second.id]).artifacts == 3


def test_a_read_only_project_says_what_would_go_and_deletes_nothing(
    ran: MLX, mlx_read_only: Callable[..., Result]
) -> None:
    run = _run(ran, "p.py")
    assert mlx_read_only("runs", "prune", "--keep", "0", "--dry-run").stdout.startswith(run.id)
    for argv in (["delete", run.id], ["prune", "--keep", "0"]):
        refused = mlx_read_only("runs", *argv, "--yes")
        assert (refused.code, "cannot be written" in refused.stderr) == (ExitCode.failed, True)
    assert len(Client().runs.list()) == 1


def test_logs_and_content_of_runs_that_there_are_are_left_alone(ran: MLX) -> None:
    run = _run(ran, "p.py")
    _age(*_stored())
    history = Client().history
    assert sweep_logs(history) == 0
    assert sweep_store(history, Client().session.store).artifacts == 0
    assert Path(".mlx/logs", run.id).is_dir()
    assert all(is_referred_to(history, f"{path.parent.name}/{path.name}") for path in _stored())
