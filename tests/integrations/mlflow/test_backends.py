"""The three ways to write a run do the same."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mlxkit.integrations.mlflow import backend as backends
from mlxkit.integrations.mlflow.backend import Backend
from mlxkit.integrations.mlflow.client_backend import ClientBackend
from mlxkit.integrations.mlflow.inject import injection

from .conftest import Reader, Setting


class BackendContract:
    """What every backend does; a subclass supplies `made`."""

    def test_a_run_is_written_and_read_back(self, made: tuple[Backend, Reader], pipeline_name: str) -> None:
        backend, reader = made
        experiment = backend.experiment(pipeline_name)
        assert backend.experiment(pipeline_name) == experiment
        run_id = backend.create_run(experiment, "first", {"mlflow.user": "me", "a": "1"})
        backend.log(run_id, params={"lr": "0.1"}, tags={"a": "2", "b": "3"})
        backend.log(run_id)
        found = reader.run(run_id)
        assert (found["info"]["status"], found["info"]["run_name"], found["info"]["user_id"]) == (
            "RUNNING",
            "first",
            "me",
        )
        assert found["params"] == {"lr": "0.1"}
        assert {"a": "2", "b": "3", "mlflow.runName": "first"}.items() <= found["tags"].items()
        backend.rename(run_id, "second")
        backend.end(run_id, "killed")
        found = reader.run(run_id)
        assert (found["info"]["status"], found["info"]["run_name"]) == ("KILLED", "second")
        assert found["tags"]["mlflow.runName"] == "second"

    def test_a_run_is_found_by_mlflow_s_id_and_by_ours(
        self, made: tuple[Backend, Reader], pipeline_name: str
    ) -> None:
        backend, _ = made
        experiment = backend.experiment(pipeline_name)
        run_id = backend.create_run(experiment, "first", {"mlx.run_id": f"ours-{pipeline_name}"})
        backend.create_run(experiment, "child", {"mlx.run_id": f"ours-{pipeline_name}"})
        assert backend.find(run_id) == (experiment, run_id)
        assert backend.find(f"ours-{pipeline_name}") == (experiment, run_id)
        assert backend.find("nobody's") is None
        assert backend.find(f"ours'-{pipeline_name}") is None

    def test_an_orphan_that_is_gone_is_well_closed(
        self, made: tuple[Backend, Reader], pipeline_name: str
    ) -> None:
        backend, reader = made
        run_id = backend.create_run(backend.experiment(pipeline_name), "first", {})
        backend.close_orphan(run_id, "killed")
        assert reader.run(run_id)["info"]["status"] == "KILLED"
        backend.close_orphan("0" * 32, "killed")

    def test_an_experiment_that_many_make_at_once_is_made_once(
        self, made: tuple[Backend, Reader], pipeline_name: str
    ) -> None:
        backend, _ = made
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(lambda _: backend.experiment(pipeline_name), range(8)))) == 1


class TestRestBackend(BackendContract):
    @pytest.fixture
    def made(self, server: Setting) -> tuple[Backend, Reader]:
        return server.tracker._backend, server.reader

    def test_another_process_may_make_the_experiment_in_between(
        self, server: Setting, pipeline_name: str
    ) -> None:
        backend: Any = server.tracker._backend
        look, answers = backend._lookup, [None]
        backend._lookup = lambda name: answers.pop() if answers else look(name)
        other = server.make()._backend
        assert other.experiment(pipeline_name) == backend.experiment(pipeline_name)

    def test_a_deleted_run_is_well_closed(self, server: Setting, pipeline_name: str) -> None:
        backend = server.tracker._backend
        run_id = backend.create_run(backend.experiment(pipeline_name), "first", {})
        server.reader.call("POST", "runs/delete", {"run_id": run_id})  # type: ignore[attr-defined]
        backend.close_orphan(run_id, "killed")


class TestSqliteBackend(BackendContract):
    @pytest.fixture
    def made(self, local: Setting) -> tuple[Backend, Reader]:
        return local.tracker._backend, local.reader


class TestClientBackend(BackendContract):
    @pytest.fixture
    def made(self, local: Setting) -> Iterator[tuple[Backend, Reader]]:
        to = local.tracker.connection
        injection.enter(to, "e")
        yield ClientBackend(to, (to.folder / "artifacts").as_uri()), local.reader
        injection.leave()

    def test_artifacts_stay_off_the_working_directory(
        self, made: tuple[Backend, Reader], local: Setting
    ) -> None:
        backend, reader = made
        run_id = backend.create_run(backend.experiment("a/b c"), "first", {})
        assert reader.run(run_id)["info"]["artifact_uri"].startswith(local.state_dir.as_uri())


def test_texts_are_cut_to_what_mlflow_takes() -> None:
    assert backends.cut({"k" * 300: "v" * 7000}, backends.MAX_PARAM) == [("k" * 250, "v" * 6000)]


def test_a_relative_sqlite_address_is_relative_to_the_project(tmp_path: Path) -> None:
    from mlxkit.integrations.mlflow.connection import connect
    from mlxkit.stacks.resolve import ResolvedComponent

    made = connect(
        ResolvedComponent("experiment_tracker", "t", "mlflow", {"tracking_uri": "sqlite:///runs.db"}),
        tmp_path / ".mlx",
    )
    assert (made.scenario, made.database) == ("database", tmp_path / "runs.db")
