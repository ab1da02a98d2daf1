"""`mlx tracker test`, `url` and `ui`, against a real server and a real local store."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ExitCode, MlxError
from mlxkit.integrations.mlflow.connection import Connection
from mlxkit.integrations.mlflow.ui import serve_ui
from mlxkit.stacks.protocols import RunFacts, StepFacts
from mlxkit.stacks.trackers import open_tracker
from tests.fixtures.loopback import http_server, self_signed, tls_in_front_of
from tests.fixtures.mlflow_server import MlflowServer, free_port

SECRETS = ("MLX_SECRET_SERVER__USERNAME", "MLX_SECRET_SERVER__PASSWORD")


@pytest.fixture
def team(mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> MlflowServer:
    """A project whose active stack has a tracker on the server; its password comes by reference."""
    write(mlflow_server.uri)
    monkeypatch.setenv(SECRETS[0], mlflow_server.username)
    monkeypatch.setenv(SECRETS[1], mlflow_server.password)
    return mlflow_server


def write(uri: str, *lines: str) -> None:
    attributes = lines or ("tracking_username: <<server.username>>", "tracking_password: <<server.password>>")
    Path("mlx.yaml").write_text(
        "version: 1\ndefault_stack: there\nexperiment_trackers:\n  here: {flavor: mlflow}\n"
        f"  team:\n    flavor: mlflow\n    tracking_uri: {uri}\n"
        + "".join(f"    {line}\n" for line in attributes)
        + "stacks:\n  there: {experiment_tracker: team}\n  bare: {}\n"
    )


def test_test_tells_version_and_credentials_of_the_active_stack_s_tracker(
    mlx: Any, team: MlflowServer
) -> None:
    done = mlx("tracker", "test", "-o", "json")
    assert done.code == ExitCode.ok, done.stderr
    found = json.loads(done.stdout)
    assert (found["name"], found["scenario"], found["credentials"]) == ("team", "server", "accepted")
    assert found["version"].startswith("3.")
    assert done.stderr == "tracker 'team' answers\n"
    assert team.password not in done.stdout + done.stderr


def test_test_of_a_local_tracker_tells_where_its_database_is(mlx: Any, team: MlflowServer) -> None:
    done = mlx("tracker", "test", "here", "-o", "json")
    assert (
        json.loads(done.stdout)["tracking_uri"] == f"sqlite:///{Path.cwd() / '.mlx' / 'mlflow' / 'mlflow.db'}"
    )


def test_test_with_a_wrong_password_is_a_matter_of_credentials(
    mlx: Any, team: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRETS[1], "wrong-password")
    done = mlx("tracker", "test", "team")
    assert (done.code, done.stdout) == (ExitCode.credentials, "")
    assert "refused the user name or password" in done.stderr
    assert "wrong-password" not in done.stderr


def test_test_with_a_secret_that_is_missing_says_which(
    mlx: Any, team: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SECRETS[1])
    done = mlx("tracker", "test", "team")
    assert done.code == ExitCode.credentials
    assert "password" in done.stderr


def test_test_names_four_ways_to_fail_differently(mlx: Any, team: MlflowServer, tmp_path: Path) -> None:
    told = []
    with http_server(lambda request, body: (200, "text/html", b"<html>")) as other:
        with tls_in_front_of(int(team.uri.rpartition(":")[2]), self_signed(tmp_path)) as untrusted:
            for uri in ("http://no-such-host.invalid", f"http://127.0.0.1:{free_port()}", other, untrusted):
                write(uri)
                done = mlx("tracker", "test")
                assert (done.code, done.stdout) == (ExitCode.failed, "")
                told.append(done.stderr)
    for words, stderr in zip(
        ("no host named", "nothing listens", "is not MLflow", "is not trusted"), told, strict=True
    ):
        assert words in stderr
        assert "try: " in stderr


def test_an_unknown_tracker_and_a_stack_without_one_are_not_found(
    mlx: Any, team: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = mlx("tracker", "test", "taem")
    assert done.code == ExitCode.not_found
    assert "did you mean 'team'?" in done.stderr
    monkeypatch.setenv("MLX_STACK", "bare")
    done = mlx("tracker", "url")
    assert done.code == ExitCode.not_found
    assert "stack 'bare' has no experiment tracker" in done.stderr


def test_a_plain_credential_in_the_configuration_works_and_is_not_shown(
    mlx: Any, mlflow_server: MlflowServer
) -> None:
    write(
        mlflow_server.uri,
        f"tracking_username: {mlflow_server.username}",
        f"tracking_password: {mlflow_server.password}",
    )
    done = mlx("tracker", "test", "team")
    assert done.code == ExitCode.ok, done.stderr
    assert mlflow_server.password not in done.stdout + done.stderr


def test_url_of_a_server_and_of_a_run_on_it(mlx: Any, team: MlflowServer) -> None:
    assert mlx("tracker", "url").stdout == f"{team.uri}/#/experiments\n"
    run = open_tracker("team").open(RunFacts("run-of-url-test", "n", "url-test", "there"), lambda run: None)
    with run.step(StepFacts("fit", "s1")) as step:
        pass
    run.finish("completed")
    done = mlx("tracker", "url", "team", "--run", "run-of-url-test")
    assert done.stdout == step.metadata()["experiment_tracker_url"] + "\n"
    done = mlx("tracker", "url", "--run", "nothing")
    assert (done.code, done.stdout) == (ExitCode.not_found, "")


def test_url_of_a_local_store_makes_none(mlx: Any, team: MlflowServer) -> None:
    assert mlx("tracker", "url", "here").stdout.startswith("http://127.0.0.1:28")
    assert mlx("tracker", "url", "here", "--run", "x").code == ExitCode.not_found
    assert not (Path.cwd() / ".mlx" / "mlflow").exists()


def test_ui_of_a_server_is_its_address(mlx: Any, team: MlflowServer) -> None:
    done = mlx("tracker", "ui")
    assert (done.code, done.stdout, done.stderr) == (0, f"{team.uri}/#/experiments\n", "")


@pytest.fixture
def ui(mlx_process: list[str]) -> Iterator[Any]:
    """Start `mlx tracker ui` and give the process and its first line."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            [*mlx_process, "tracker", "ui", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def get(address: str) -> bytes:
    return bytes(
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(address, timeout=30).read()
    )


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_ui_of_a_local_store_serves_its_runs_where_links_point_and_leaves_nothing_running(
    ui: Any, how: signal.Signals, code: int
) -> None:
    Path("mlx.yaml").write_text("version: 1\n")
    run = open_tracker(None).open(RunFacts("r1", "n", "p", "default"), lambda run: None)
    with run.step(StepFacts("fit", "s1")) as step:
        import mlflow

        mlflow.log_text("hello", "hello.txt")
    run.finish("completed")
    found = step.metadata()
    process, address = ui("--no-open")
    server = address.partition("/#")[0]
    assert found["experiment_tracker_url"].startswith(f"{server}/#/experiments/")
    assert b"<html" in get(f"{server}/")
    told = json.loads(get(f"{server}/api/2.0/mlflow/runs/get?run_id={found['mlflow_run_id']}"))
    assert told["run"]["info"]["status"] == "FINISHED"
    assert get(f"{server}/get-artifact?path=hello.txt&run_uuid={found['mlflow_run_id']}") == b"hello"
    assert "mlflow" in command_lines(server.rpartition(":")[2])
    assert str(Path.cwd()) not in command_lines("mlflow")
    process.send_signal(how)
    assert process.wait(60) == code
    with pytest.raises(OSError):
        get(f"{server}/health")
    assert sorted(path.name for path in Path.cwd().iterdir()) == [".mlx", "mlx.yaml"]


def test_ui_where_its_log_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "mlflow" / "ui.log").mkdir(parents=True)
    with pytest.raises(MlxError, match=r"ui\.log cannot be written: Is a directory"):
        serve_ui(Connection("here", "local", "sqlite:///x.db", tmp_path), None, print)


def test_ui_on_a_port_that_is_taken_says_so(ui: Any) -> None:
    Path("mlx.yaml").write_text("version: 1\n")
    with http_server(lambda request, body: (200, "text/plain", b"")) as other:
        process, address = ui("--no-open", "--port", other.rpartition(":")[2])
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, address) == (ExitCode.failed, "")
    assert "is taken" in stderr


def command_lines(word: str) -> str:
    """The command lines of all processes that hold a word."""
    done = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True)
    return "".join(line for line in done.stdout.splitlines(keepends=True) if word in line)
