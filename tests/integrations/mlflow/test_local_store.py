"""The local database: made once whoever comes together, private, anywhere on the disk, and kept at MLflow's schema."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from mlxkit.errors import ConfigError
from mlxkit.integrations.mlflow.connection import sqlite_uri
from mlxkit.integrations.mlflow.local_store import LocalStore, installed_version
from mlxkit.stacks.protocols import StepFacts

from .conftest import LocalReader, Setting

ONE_RUN = """
import os, sys
from pathlib import Path
from mlxkit.integrations.mlflow.tracker import MlflowTracker
from mlxkit.stacks.protocols import RunFacts, StepFacts
from mlxkit.stacks.resolve import ResolvedComponent

number = sys.argv[2]
run = MlflowTracker(ResolvedComponent("experiment_tracker", "t", "mlflow", {}), Path(sys.argv[1])).open(
    RunFacts(number, f"run-{number}", "together", "s", {"number": number}), lambda run: None)
with run.step(StepFacts("fit", "s")):
    if int(number) < 2:
        import mlflow
        mlflow.log_metric("number", int(number))
        mlflow.log_text("x", "x.txt")
run.finish("completed")
"""


def test_eight_processes_that_make_the_database_together_all_log_their_run(tmp_path: Path) -> None:
    state = tmp_path / "pro ject" / ".mlx"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_RUN, str(state), str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in range(8)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, "".join(outputs)
    assert outputs == [""] * 8
    found = LocalReader(state / "mlflow" / "mlflow.db").runs("together")
    assert {run["info"]["run_name"]: run["params"]["number"] for run in found} == {
        f"run-{number}": str(number) for number in range(8)
    }
    assert sorted(run["metrics"]["number"] for run in found if run["metrics"]) == [0, 1]
    assert {run["info"]["status"] for run in found} == {"FINISHED"}
    with closing(sqlite3.connect(state / "mlflow" / "mlflow.db")) as db:
        assert db.execute("SELECT COUNT(*) FROM experiments WHERE name = 'together'").fetchone() == (1,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        locations = [row[0] for row in db.execute("SELECT artifact_location FROM experiments")]
    assert all(location.startswith((state / "mlflow" / "artifacts").as_uri()) for location in locations)
    assert len(list((state / "mlflow" / "artifacts").rglob("x.txt"))) == 2


def test_the_database_and_its_folder_are_private(local: Setting) -> None:
    folder = local.state_dir / "mlflow"
    assert stat.S_IMODE((folder / "mlflow.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["plain", "with blank", "with%percent", "what?", "a#b", "ünïcödé"])
def test_any_folder_will_do(tmp_path: Path, ready_store: Path, name: str) -> None:
    import shutil

    import mlflow

    state = tmp_path / name / ".mlx"
    shutil.copytree(ready_store, state / "mlflow")
    setting = Setting("local", state, LocalReader(state / "mlflow" / "mlflow.db"), {})
    run = setting.open("p")
    with run.step(StepFacts("fit", "s1")):
        mlflow.log_metric("m", 1)
        mlflow.log_text("x", "x.txt")
    run.finish("completed")
    assert [found["metrics"] for found in setting.reader.runs("p")] == [{"m": 1}]
    assert len(list((state / "mlflow" / "artifacts").rglob("x.txt"))) == 1


def test_an_older_schema_is_migrated_after_a_copy_was_made(local: Setting) -> None:
    import mlflow
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config

    folder = local.state_dir / "mlflow"
    run = local.open("before")
    with run.step(StepFacts("fit", "s1")):
        mlflow.log_metric("m", 1)
    run.finish("completed")
    command.downgrade(_get_alembic_config(sqlite_uri(folder / "mlflow.db")), "-1")
    (folder / "mlflow.schema").write_text("3.0.0")
    old = _schema(folder / "mlflow.db")
    LocalStore(folder / "mlflow.db", folder).ensure()
    [copy] = folder.glob("*.bak")
    assert (_schema(copy), _schema(folder / "mlflow.db") != old) == (old, True)
    assert (folder / "mlflow.schema").read_text() == installed_version()
    assert [found["metrics"] for found in local.reader.runs("before")] == [{"m": 1}]


MAKE = """
import sys
from pathlib import Path
from mlxkit.integrations.mlflow.local_store import LocalStore
folder = Path(sys.argv[1])
LocalStore(folder / "mlflow.db", folder).ensure()
"""


def test_a_kill_while_the_database_is_made_leaves_none_and_the_next_attempt_makes_it(tmp_path: Path) -> None:
    folder = tmp_path / "mlflow"
    for delay in (0.0, 0.1, 0.3):
        process = subprocess.Popen([sys.executable, "-c", MAKE, str(folder)])
        deadline = time.monotonic() + 60
        while not list(folder.glob("mlflow.db.draft")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.005)
        time.sleep(delay)
        process.kill()
        process.wait()
    before = (folder / "mlflow.db").exists()  # a kill that came too late
    LocalStore(folder / "mlflow.db", folder).ensure()
    assert (folder / "mlflow.db").stat().st_mode & 0o777 == 0o600
    assert not before or _schema(folder / "mlflow.db")
    assert not list(folder.glob("*.draft*")) and not list(folder.glob("*.bak"))


def test_a_broken_database_is_found_before_the_first_step(local: Setting) -> None:
    (local.state_dir / "mlflow" / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(ConfigError, match="cannot be used: file is not a database"):
        local.tracker.preflight()


def test_a_schema_of_the_future_is_refused_and_kept(local: Setting) -> None:
    folder = local.state_dir / "mlflow"
    with closing(sqlite3.connect(folder / "mlflow.db")) as db:
        db.execute("UPDATE alembic_version SET version_num = 'fromthefuture'")
        db.commit()
    (folder / "mlflow.schema").write_text("99.0.0")
    with pytest.raises(ConfigError, match="was written by another version of MLflow") as caught:
        LocalStore(folder / "mlflow.db", folder).ensure()
    assert caught.value.hint == "pip install --upgrade mlflow"
    assert _schema(folder / "mlflow.db") == "fromthefuture"


def test_a_database_that_is_there_is_opened_without_importing_mlflow(local: Setting) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from mlxkit.integrations.mlflow.tracker import MlflowTracker\n"
        "from mlxkit.stacks.protocols import RunFacts, StepFacts\n"
        "from mlxkit.stacks.resolve import ResolvedComponent\n"
        "tracker = MlflowTracker(ResolvedComponent('experiment_tracker', 't', 'mlflow', {}), Path(sys.argv[1]))\n"
        "run = tracker.open(RunFacts('r', 'n', 'p', 's', {'lr': '1'}), lambda run: None)\n"
        "with run.step(StepFacts('fit', 's', settings={'nested': True})) as step: pass\n"
        "run.cached(StepFacts('load', 's'), step.metadata())\n"
        "run.finish('completed')\n"
        "print(sorted({'mlflow', 'sqlalchemy', 'requests'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(local.state_dir)], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
    parent, child = local.reader.runs("p")
    assert (parent["params"], parent["info"]["status"]) == ({"lr": "1"}, "FINISHED")
    assert (child["info"]["run_name"], child["tags"]["mlflow.parentRunId"]) == (
        "fit",
        parent["info"]["run_id"],
    )


def test_mlflow_reads_what_we_write_as_if_it_had_written_it_itself(local: Setting) -> None:
    import mlflow

    run = local.open("p", parameters={"lr": "0.1"})
    with run.step(StepFacts("fit", "s1")) as step:
        ours = mlflow.get_run(step.metadata()["mlflow_run_id"])
        client = mlflow.MlflowClient()
        theirs = client.create_run(
            ours.info.experiment_id, run_name="theirs", tags={"mlflow.user": ours.info.user_id}
        )
        assert (
            theirs.info.artifact_uri.replace(theirs.info.run_id, ours.info.run_id) == ours.info.artifact_uri
        )
        assert (ours.info.status, ours.info.lifecycle_stage) == (
            theirs.info.status,
            theirs.info.lifecycle_stage,
        )
        assert ours.data.params == {"lr": "0.1"}
        assert ours.info.run_name == ours.data.tags["mlflow.runName"] == "p-1"
        found = mlflow.search_runs(
            experiment_names=["p"], filter_string="params.lr = '0.1'", output_format="list"
        )
        assert [run.info.run_id for run in found] == [ours.info.run_id]
        experiment = client.get_experiment(ours.info.experiment_id)
        other = client.get_experiment(client.create_experiment("other"))
        assert experiment.artifact_location.rpartition("/")[0] == other.artifact_location.rpartition("/")[0]
    run.finish("completed")


def test_tables_that_look_otherwise_are_left_to_mlflow_itself(local: Setting) -> None:
    from mlxkit.integrations.mlflow.client_backend import ClientBackend

    with closing(sqlite3.connect(local.state_dir / "mlflow" / "mlflow.db")) as db:
        db.execute("ALTER TABLE tags ADD COLUMN colour VARCHAR(9) NOT NULL DEFAULT 'red'")
        db.execute("ALTER TABLE runs RENAME COLUMN entry_point_name TO entry_point")
        db.commit()
    run = local.tracker
    backend = run._backend
    assert isinstance(backend, ClientBackend)


def _schema(database: Path) -> str:
    with closing(sqlite3.connect(database)) as db:
        return str(db.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "file").write_text("")
        place = tmp_path / "file" / ".mlx"
    else:
        place = tmp_path / "readonly" / ".mlx"
        (tmp_path / "readonly").mkdir(mode=0o500)
    from mlxkit.config.files import NotWritableError

    with pytest.raises(NotWritableError, match="cannot make the folder"):
        LocalStore(place / "mlflow.db", place).ensure()


@pytest.mark.parametrize("is_known", [True, False])
def test_a_database_that_is_none_is_told_and_kept(local: Setting, is_known: bool) -> None:
    folder = local.state_dir / "mlflow"
    (folder / "mlflow.db").write_bytes(b"this is no database" * 100)
    if not is_known:
        (folder / "mlflow.schema").unlink()
    with pytest.raises(ConfigError, match="cannot be used: file is not a database") as caught:
        with local.open("p").step(StepFacts("fit", "s1")):
            pass
    assert caught.value.hint == "move it away, and the next run makes a new one"
    assert (folder / "mlflow.db").read_bytes().startswith(b"this is no database")


def test_looking_a_run_up_and_closing_an_orphan_do_not_migrate(local: Setting) -> None:
    run = local.open("p", run_id="r-old")
    with run.step(StepFacts("fit", "s1")):
        pass
    (local.state_dir / "mlflow" / "mlflow.schema").write_text("3.0.0")
    later = local.make()
    assert later.url("r-old") is not None
    assert later.close_orphan(local.told[0], "killed")
    assert (local.state_dir / "mlflow" / "mlflow.schema").read_text() == "3.0.0"
    assert local.reader.runs("p")[0]["info"]["status"] == "KILLED"
