"""The sweep of crashed runs, addresses of the UI, and what a tracker shows of itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlxkit.integrations.mlflow.connection import connect, sqlite_uri
from mlxkit.integrations.mlflow.links import home_url, run_url
from mlxkit.integrations.mlflow.tracker import MlflowTracker
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.addresses import bare_address
from mlxkit.stacks.protocols import StepFacts
from mlxkit.stacks.resolve import ResolvedComponent
from tests.fixtures.loopback import http_server, listening
from tests.fixtures.mlflow_server import MlflowServer, free_port

from .conftest import Setting, server_attributes


def crashed(setting: Setting, pipeline: str) -> None:
    """Leave a run and a child of it open, as a killed process does."""
    step = setting.open(pipeline).step(StepFacts("fit", "s1", settings={"nested": True}))
    tracked: Any = step.__enter__()
    step.__exit__(None, None, None)
    setting.tracker._backend.log(tracked.run_id, tags={"x": "1"})


def test_orphans_are_closed(setting: Setting, pipeline_name: str) -> None:
    crashed(setting, pipeline_name)
    later = setting.make()
    assert [later.close_orphan(run, "killed") for run in setting.told] == [True, True]
    assert [found["info"]["status"] for found in setting.reader.runs(pipeline_name)] == ["KILLED", "KILLED"]
    assert all(found["info"]["end_time"] for found in setting.reader.runs(pipeline_name))


def test_an_orphan_that_was_deleted_meanwhile_is_settled(
    server: Setting, pipeline_name: str, mlflow_server: MlflowServer
) -> None:
    crashed(server, pipeline_name)
    for run in server.told:
        mlflow_server.admin.call("POST", "runs/delete", {"run_id": run.run_id})
    assert [server.make().close_orphan(run, "killed") for run in server.told] == [True, True]


def test_an_orphan_whose_local_store_was_deleted_is_settled(local: Setting, tmp_path: Path) -> None:
    crashed(local, "p")
    other = MlflowTracker(
        ResolvedComponent("experiment_tracker", "team", "mlflow", {}), tmp_path / "elsewhere"
    )
    assert other.close_orphan(local.told[0], "killed")
    assert not (tmp_path / "elsewhere").exists()


def test_an_orphan_stays_one_while_the_server_does_not_answer_or_is_another(
    server: Setting, pipeline_name: str
) -> None:
    crashed(server, pipeline_name)
    dead = server.make(tracking_uri=f"http://127.0.0.1:{free_port()}")
    orphan = replace(server.told[0], tracking_uri=dead.connection.shown_uri)
    assert dead.close_orphan(orphan, "killed") is False
    assert dead.close_orphan(server.told[0], "killed") is False
    locked_out = server.make(tracking_password=SecretValue("wrong-password"))
    assert locked_out.close_orphan(server.told[0], "killed") is False
    import time

    with listening(lambda connection: time.sleep(3600)) as port:
        silent = server.make(tracking_uri=f"http://127.0.0.1:{port}")
        assert (
            silent.close_orphan(replace(orphan, tracking_uri=silent.connection.shown_uri), "killed") is False
        )
    assert server.reader.runs(pipeline_name)[0]["info"]["status"] == "RUNNING"


def test_a_run_whose_end_could_not_be_told_is_ended_by_finish(local: Setting, pipeline_name: str) -> None:
    run = local.open(pipeline_name)
    backend: Any = local.tracker._backend
    with run.step(StepFacts("fit", "s1", settings={"nested": True})):
        end, backend.end = backend.end, lambda run_id, status: 1 / 0
    assert [found["info"]["status"] for found in local.reader.runs(pipeline_name)] == ["RUNNING", "RUNNING"]
    with pytest.raises(Exception, match="could not be told how 2 of its runs ended"):
        run.finish("completed")
    backend.end = end
    run.finish("completed")
    assert [found["info"]["status"] for found in local.reader.runs(pipeline_name)] == ["FINISHED", "FINISHED"]


def test_the_address_of_a_run_by_either_id_and_of_all(setting: Setting, pipeline_name: str) -> None:
    run = setting.open(pipeline_name, run_id=f"id-of-{pipeline_name}")
    with run.step(StepFacts("fit", "s1")) as step:
        pass
    run.finish("completed")
    link = step.metadata()["experiment_tracker_url"]
    tracker = setting.make()
    assert tracker.url(step.metadata()["mlflow_run_id"]) == tracker.url(f"id-of-{pipeline_name}") == link
    assert tracker.url("nothing-of-the-kind") is None
    assert link.startswith(str(tracker.url()).removesuffix("/experiments"))


def test_links_of_every_scenario(server: Setting, local: Setting) -> None:
    there = server.make(tracking_uri="https://ml.example.com/base").connection
    assert run_url(there, "1", "abc") == "https://ml.example.com/base/#/experiments/1/runs/abc"
    assert home_url(there) == "https://ml.example.com/base/#/experiments"
    assert run_url(local.tracker.connection, "1", "abc").startswith("http://127.0.0.1:28")
    assert run_url(local.tracker.connection, "1", "abc") == run_url(local.make().connection, "1", "abc")


def test_an_address_that_comes_from_a_secret_is_linked_to_and_not_quoted_by_errors(server: Setting) -> None:
    hidden = server.make(tracking_uri=SecretValue("https://hidden-host.example.com")).connection
    assert "hidden-host" not in f"{hidden.shown_url} {hidden!r} {hidden.shown_host}"
    assert home_url(hidden) == "https://hidden-host.example.com/#/experiments"
    assert hidden.shown_uri == hidden.tracking_uri == "https://hidden-host.example.com"


def test_what_is_shown_does_not_depend_on_which_secrets_are_known(server: Setting) -> None:
    made = server.make(tracking_uri="https://mlflow.example.com", tracking_username=SecretValue("mlflow"))
    SecretValue("example")
    assert made.connection.shown_uri == "https://mlflow.example.com"
    assert run_url(made.connection, "1", "abc") == "https://mlflow.example.com/#/experiments/1/runs/abc"
    assert run_url(made.connection, "\x1b[2J", "a/b").endswith("/experiments/%1B%5B2J/runs/a%2Fb")


def test_no_credential_is_shown(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    made = connect(
        ResolvedComponent("experiment_tracker", "t", "mlflow", server_attributes(mlflow_server)), tmp_path
    )
    assert mlflow_server.password not in f"{made!r} {made}"
    database = connect(
        ResolvedComponent(
            "experiment_tracker", "t", "mlflow", {"tracking_uri": "postgresql://u:S3CR3T@h:5/d"}
        ),
        tmp_path,
    )
    assert "S3CR3T" not in f"{database!r} {database.shown_uri} {database.shown_url}"
    assert database.shown_uri == "postgresql://h:5/d" == bare_address("postgresql://u:p@h:5/d?x=y")


def test_sqlite_addresses_survive_the_way_there_and_back(tmp_path: Path) -> None:
    for name in ("a b", "50%", "why?", "c#"):
        made = connect(
            ResolvedComponent(
                "experiment_tracker", "t", "mlflow", {"tracking_uri": sqlite_uri(tmp_path / name / "m.db")}
            ),
            tmp_path,
        )
        assert made.database == tmp_path / name / "m.db"


def test_a_kept_connection_that_the_server_closed_is_opened_again(pipeline_name: str) -> None:
    served: list[str] = []

    def serve(connection: Any) -> None:
        data = connection.recv(65536)
        served.append(data.split(b" ")[1].decode())
        body = b'{"experiments": []}'
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )

    with listening(serve) as port:
        given = {"tracking_uri": f"http://127.0.0.1:{port}"}
        tracker = MlflowTracker(ResolvedComponent("experiment_tracker", "t", "mlflow", given), Path.cwd())
        for _ in range(3):
            tracker.preflight()
    assert len(served) == 3


def test_a_busy_server_is_asked_again() -> None:
    answers = [
        (503, "text/plain", b""),
        (429, "text/plain", b""),
        (200, "application/json", b'{"experiment_id": "7"}'),
    ]

    def answer(request: Any, body: bytes) -> tuple[int, str, bytes]:
        if request.path.startswith("/api/2.0/mlflow/experiments/get-by-name"):
            return 404, "application/json", b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}'
        return answers.pop(0)

    with http_server(answer) as uri:
        tracker = MlflowTracker(
            ResolvedComponent("experiment_tracker", "t", "mlflow", {"tracking_uri": uri}), Path.cwd()
        )
        assert tracker._backend.experiment("x") == "7"
    assert answers == []
