"""A real server on this machine: logged to, kept from strangers, stopped, killed, started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ExitCode
from mlxkit.integrations.mlflow.serving.state import boot_id, holder

from .conftest import Place


def call(
    url: str, path: str, password: str | None = None, data: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    """Send a request and return the status and the body."""
    if password is not None:
        headers["Authorization"] = "Basic " + b64encode(f"admin:{password}".encode()).decode()
    headers["Content-Type"] = "application/json"
    request = urllib.request.Request(f"{url}{path}", data, headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_pipeline_logs_to_it_and_its_artifacts_go_through_it(running: Place) -> None:
    done = running.mlx("run", "own.py", "--no-cache")
    assert done.returncode == 0, done.stderr
    url = running.json("tracker", "status", "team")["url"]
    assert f"tracker: {url}/#/experiments/" in done.stderr
    [stored] = (running.server("team") / "artifacts").rglob("hello.txt")
    assert stored.read_text() == "through the server"
    path = stored.relative_to(running.server("team") / "artifacts").as_posix()
    proxied = f"/api/2.0/mlflow-artifacts/artifacts/{path}"
    assert call(url, proxied, running.password("team")) == (200, b"through the server")
    assert call(url, proxied)[0] == 401
    assert not list(running.folder.rglob("mlruns"))


def test_only_who_has_the_password_is_let_in(running: Place) -> None:
    assert running.json("tracker", "test", "team")["credentials"] == "accepted"
    refused = running.mlx("tracker", "test", "team", MLX_SECRET_TEAM_ADMIN__PASSWORD="something else")
    assert refused.returncode == ExitCode.credentials
    assert "refused the user name or password" in refused.stderr
    url = running.json("tracker", "status", "team")["url"]
    assert call(url, "/api/2.0/mlflow/experiments/get?experiment_id=0")[0] == 401
    status, body = call(
        url, "/api/2.0/mlflow/experiments/get?experiment_id=0", running.password("team"), Host="evil.example"
    )
    assert (status, b"Host header" in body) == (403, True)


def test_a_page_of_an_allowed_host_may_send_and_a_strange_one_may_not(running: Place) -> None:
    url, password = running.json("tracker", "status", "team")["url"], running.password("team")
    path, port = "/ajax-api/2.0/mlflow/experiments/search", url.rpartition(":")[2]
    for host in ("team.example", f"team.example:{port}", "a.wild.example"):
        for scheme in ("https", "http"):
            found = call(url, path, password, b'{"max_results": 1}', Host=host, Origin=f"{scheme}://{host}")
            assert found[0] == 200, (scheme, host, found)
    for strange in ("https://evil.example", "https://wild.example.evil"):
        found = call(url, path, password, b'{"max_results": 1}', Host="team.example", Origin=strange)
        assert (found[0], b"Cross-origin" in found[1]) == (403, True)


def test_its_password_is_in_no_file_and_no_list_of_processes(running: Place) -> None:
    values = [
        running.mlx("secret", "get", "team_admin", key, "--reveal").stdout.strip()
        for key in ("password", "secret_key")
    ]
    assert len(values[0]) >= 20
    base = running.folder.parent
    files = [path for path in base.rglob("*") if path.is_file()]
    assert running.server("team") / "server.log" in files
    for path in files:
        content = path.read_bytes()
        assert not [value for value in values if value.encode() in content], path
    listed = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert str(running.server("team")) in listed
    assert not [value for value in values if value in listed]
    pid = running.json("tracker", "status", "team")["pid"]
    if sys.platform == "linux":
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert not [value for value in values if value.encode() in environment]


def test_nobody_else_reads_its_files(running: Place) -> None:
    folder = running.server("team")
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_same_name_is_not_deployed_twice_and_nothing_is_changed_by_trying(running: Place) -> None:
    before = (running.folder / "mlx.yaml").read_text(), running.json("tracker", "status", "team")["pid"]
    for more in ((), ("--dry-run",)):
        done = running.mlx("tracker", "deploy", "team", *more)
        assert done.returncode == ExitCode.failed
        assert "deployed already" in done.stderr
        assert "mlx tracker start team" in done.stderr
    assert before == (
        (running.folder / "mlx.yaml").read_text(),
        running.json("tracker", "status", "team")["pid"],
    )


def test_a_tracker_is_not_deleted_while_its_server_runs(running: Place) -> None:
    done = running.mlx("tracker", "delete", "team", "--yes", "--force")
    assert done.returncode == ExitCode.failed
    assert "is running" in done.stderr
    assert "mlx tracker stop team" in done.stderr
    assert running.json("tracker", "describe", "team")["name"] == "team"


def test_status_and_logs_tell_how_it_is(running: Place) -> None:
    record = running.json("tracker", "status", "team")
    assert (record["schema_version"], record["state"], record["reason"]) == (1, "running", "")
    assert record["backend"] == f"sqlite:///{running.server('team') / 'mlflow.db'}"
    assert record["artifacts"] == str(running.server("team") / "artifacts")
    assert record["version"].startswith("3.")
    assert record["pid"] == holder(running.server("team"))
    if sys.platform == "linux":
        assert record["memory"] > 50_000_000
    [listed] = running.json("tracker", "status")
    assert {**listed, "memory": 0} == {**record, "memory": 0}
    log = running.mlx("tracker", "logs").stdout
    assert f"listening at {record['url']}\n" in log
    assert "Application startup complete" in log
    assert running.mlx("tracker", "logs", "team", "--tail", "1").stdout == log.splitlines(keepends=True)[-1]


def test_logs_are_followed_until_ctrl_c(running: Place) -> None:
    process = running.start("tracker", "logs", "team", "-f", "--tail", "1")
    assert process.stdout is not None
    assert (
        process.stdout.readline() == (running.server("team") / "server.log").read_text().splitlines(True)[-1]
    )
    with (running.server("team") / "server.log").open("a") as log:
        log.write("a line more\n")
    assert process.stdout.readline() == "a line more\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (0, ExitCode.interrupted)


def test_it_is_stopped_once_and_two_starts_make_one_server_with_the_same_data(running: Place) -> None:
    before = running.json("tracker", "status", "team")
    assert running.mlx("tracker", "stop", "team").returncode == 0
    assert gone(before["pid"])
    stopped = running.json("tracker", "status", "team")
    assert (stopped["state"], stopped["pid"], stopped["reason"]) == ("stopped", None, "")
    again = running.mlx("tracker", "stop", "team")
    assert (again.returncode, "was not running" in again.stderr) == (0, True)
    starts = [running.start("tracker", "start", "team", "-o", "json") for _ in range(2)]
    told = [process.communicate(timeout=300) for process in starts]
    assert [process.returncode for process in starts] == [0, 0], told
    records = [json.loads(out) for out, _ in told]
    assert records[0]["pid"] == records[1]["pid"] == holder(running.server("team"))
    assert records[0]["url"] == before["url"]
    assert sum("is running already" in err for _, err in told) == 1
    assert running.json("tracker", "test", "team")["credentials"] == "accepted"


def test_one_that_was_killed_is_said_to_be_and_started_again(running: Place) -> None:
    record = running.json("tracker", "status", "team")
    os.kill(record["pid"], signal.SIGKILL)
    assert gone(record["pid"])
    after = running.json("tracker", "status", "team")
    assert (after["state"], after["pid"]) == ("failed", None)
    assert f"process {record['pid']} is gone" in after["reason"]
    with socket.create_server(("127.0.0.1", int(record["url"].rpartition(":")[2]))):
        refused = running.mlx("tracker", "start", "team")
        assert refused.returncode == ExitCode.failed
        assert f"port {record['url'].rpartition(':')[2]} of the server of 'team' is taken" in refused.stderr
        assert "is taken by another program" in running.json("tracker", "status", "team")["reason"]
    done = running.mlx("tracker", "start", "team")
    assert done.returncode == 0, done.stderr


def test_damaged_files_are_said_to_be_and_a_server_goes_on_and_can_be_stopped(running: Place) -> None:
    folder = running.server("team")
    pid = running.json("tracker", "status", "team")["pid"]
    whole = (folder / "tracker.json").read_text()
    (folder / "server.json").write_text("{broken")
    assert running.json("tracker", "status", "team")["pid"] == pid
    for damage in ("", "[]", whole.replace('"port": ', '"port": 7'), whole.replace('"team"', '"other"')):
        (folder / "tracker.json").write_text(damage)
        record = running.json("tracker", "status", "team")
        assert (record["state"], record["pid"]) == ("failed", pid)
        assert "tracker.json" in record["reason"]
        refused = running.mlx("tracker", "start", "team")
        assert (refused.returncode, "Traceback" in refused.stderr) == (ExitCode.configuration, False)
    assert running.mlx("tracker", "stop", "team").returncode == 0
    assert gone(pid)
    (folder / "tracker.json").write_text(whole)


def test_one_that_is_starting_can_be_stopped(team: Place) -> None:
    team.mlx("tracker", "stop", "team")
    start = team.start("tracker", "start", "team")
    deadline = time.monotonic() + 60
    while holder(team.server("team")) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    pid = holder(team.server("team"))
    assert team.json("tracker", "stop", "team")["state"] == "stopped"
    _, told = start.communicate(timeout=120)
    assert start.returncode == ExitCode.failed
    assert "did not start" in told or "was stopped while it started" in told
    assert pid is not None
    assert gone(pid)


@pytest.fixture
def bystander() -> Any:
    """A process that has nothing to do with any server."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("boot", "reason"), [("another boot", "the machine was restarted"), (None, "is gone")]
)
def test_a_process_that_has_its_id_now_is_left_alone(
    team: Place, bystander: subprocess.Popen[bytes], boot: str | None, reason: str
) -> None:
    team.mlx("tracker", "stop", "team")
    folder = team.server("team")
    said = json.loads((folder / "server.json").read_text())
    said |= {"pid": bystander.pid, "state": "serving", "boot": boot or boot_id()}
    (folder / "server.json").write_text(json.dumps(said))
    (folder / "server.lock").write_text(f"{bystander.pid}\n")
    record = team.json("tracker", "status", "team")
    assert (record["state"], record["pid"]) == ("failed", None)
    assert reason in record["reason"]
    assert "was not running" in team.mlx("tracker", "stop", "team").stderr
    assert bystander.poll() is None


def test_a_database_that_is_none_does_not_start_and_the_log_is_quoted(team: Place) -> None:
    team.mlx("tracker", "stop", "team")
    database = team.server("team") / "mlflow.db"
    whole = database.read_bytes()
    try:
        database.write_bytes(b"this is no database at all")
        refused = team.mlx("tracker", "start", "team")
        assert refused.returncode == ExitCode.failed
        assert f"{database} is not a database" in refused.stderr
        assert "server.log" not in refused.stderr
        database.write_bytes(b"SQLite format 3\0" + b"but that is all that it has of one" * 20)
        done = team.mlx("tracker", "start", "team")
        assert done.returncode == ExitCode.failed
        assert "did not start" in done.stderr
        assert "file is not a database" in done.stderr
        assert f"see {team.server('team') / 'server.log'}" in done.stderr
        assert holder(team.server("team")) is None
        assert team.json("tracker", "status", "team")["state"] == "failed"
    finally:
        database.write_bytes(whole)


def test_without_its_secret_it_is_not_started(team: Place) -> None:
    team.mlx("tracker", "stop", "team")
    done = team.mlx("tracker", "start", "team", MLX_KEYRING_KEY_FILE="", MLX_KEYRING_PASSWORD="wrong")
    assert done.returncode == ExitCode.credentials, done.stderr
    assert holder(team.server("team")) is None
