"""`mlx tracker deploy`, `start`, `stop`, `status` and `logs` as they are typed; real servers are tested where they live."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ExitCode
from mlxkit.integrations.mlflow.server.entry import ServerEntry


@pytest.fixture(autouse=True)
def store(project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A project and a secret store."""
    key = tmp_path / "key"
    key.write_text(base64.b64encode(os.urandom(32)).decode())
    key.chmod(0o600)
    monkeypatch.setenv("MLX_KEYRING_KEY_FILE", str(key))


def make_server(name: str, port: int, **values: Any) -> Path:
    """Write down a server that does not run."""
    folder = Path(".mlx/servers").absolute() / name
    folder.mkdir(parents=True)
    entry = ServerEntry(name, "127.0.0.1", port, "sqlite:////x.db", "/artifacts", f"{name}_admin", **values)
    (folder / "tracker.json").write_bytes(entry.dumped())
    return folder


def test_the_words_of_other_tools_parse_and_another_provider_names_those_there_are(mlx: Any) -> None:
    line = ("tracker", "deploy", "mlflow_tracker", "--flavor=mlflow", "-x", "mlflow_bucket=gs://my_bucket")
    done = mlx(*line, "--provider=gcp")
    assert (done.code, done.stdout) == (ExitCode.usage, "")
    assert "no provider 'gcp'; there are local, docker, kubernetes" in done.stderr
    done = mlx(*line, "--provider=kubernetes")
    assert done.code == ExitCode.ok, done.stderr
    assert done.stdout.splitlines() == [
        f"mlflow-mlflow-tracker/{name}" for name in ("mlflow.yaml", "Dockerfile")
    ]
    assert "--artifacts-destination" in Path("mlflow-mlflow-tracker/mlflow.yaml").read_text()
    assert "gs://my_bucket" in Path("mlflow-mlflow-tracker/mlflow.yaml").read_text()
    assert "google-cloud-storage" in Path("mlflow-mlflow-tracker/Dockerfile").read_text()
    assert "did you mean 'docker'?" in mlx("tracker", "deploy", "--provider", "dokcer").stderr


@pytest.mark.parametrize("provider", ["local", "docker", "kubernetes"])
def test_a_dry_run_makes_nothing_and_says_what_would_be(mlx: Any, provider: str) -> None:
    before = sorted(Path.cwd().rglob("*")), Path("mlx.yaml").read_bytes()
    done = mlx("tracker", "deploy", "team", "--provider", provider, "--dry-run", "-o", "json")
    assert done.code == ExitCode.ok, done.stderr
    found = json.loads(done.stdout)
    assert (found["name"], found["provider"], found["dry_run"], found["secret"]) == (
        "team",
        provider,
        True,
        "team_admin",
    )
    assert found["schema_version"] == 1
    assert before == (sorted(Path.cwd().rglob("*")), Path("mlx.yaml").read_bytes())
    assert json.loads(mlx("secret", "list", "-o", "json").stdout) == []


def test_without_a_name_one_is_made_up_that_is_free(mlx: Any) -> None:
    first = json.loads(mlx("tracker", "deploy", "--dry-run", "-o", "json").stdout)["name"]
    mlx("tracker", "register", first, "--flavor=mlflow")
    second = json.loads(mlx("tracker", "deploy", "--dry-run", "-o", "json").stdout)["name"]
    make_server(second, 5999)
    third = json.loads(mlx("tracker", "deploy", "--dry-run", "-o", "json").stdout)["name"]
    assert len({first, second, third}) == 3


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["-x", "prot=5000"], ExitCode.usage, "did you mean 'port'?"),
        (["-x", "port"], ExitCode.usage, "-x port: it is written KEY=VALUE"),
        (["-x", "port=1", "-x", "port=2"], ExitCode.usage, "-x port is given twice"),
        (["--flavor=mlfow"], ExitCode.not_found, "did you mean 'mlflow'?"),
        (["-x", "host=0.0.0.0"], ExitCode.usage, "-x tls=self-signed"),
        (["-x", "host=0.0.0.0", "-x", "insecure=true"], ExitCode.usage, "add --yes"),
        (["bad name"], ExitCode.usage, "tracker name 'bad name'"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_made(
    mlx: Any, words: list[str], code: ExitCode, told: str
) -> None:
    before = Path("mlx.yaml").read_bytes()
    done = mlx("tracker", "deploy", *words)
    assert (done.code, done.stdout) == (code, "")
    assert told in done.stderr
    assert (before, Path(".mlx/servers").exists()) == (Path("mlx.yaml").read_bytes(), False)


def test_a_tracker_or_a_secret_of_that_name_is_not_touched(mlx: Any) -> None:
    mlx("tracker", "register", "team", "--flavor=mlflow")
    done = mlx("tracker", "deploy", "team")
    assert (done.code, "'team' already exists" in done.stderr) == (ExitCode.failed, True)
    mlx("secret", "create", "other_admin", "--token=mine-and-not-yours")
    done = mlx("tracker", "deploy", "other", "--dry-run")
    assert (done.code, "secret 'other_admin'" in done.stderr) == (ExitCode.failed, True)
    assert mlx("secret", "get", "other_admin", "token", "--reveal").stdout == "mine-and-not-yours\n"


def test_where_nothing_was_deployed_every_command_says_so(mlx: Any) -> None:
    done = mlx("tracker", "status")
    assert (done.code, done.stdout) == (ExitCode.ok, "")
    assert "no server was deployed here" in done.stderr
    assert mlx("tracker", "status", "-o", "json").stdout == "[]\n"
    for verb in ("start", "stop", "logs"):
        done = mlx("tracker", verb)
        assert done.code == ExitCode.not_found
        assert "mlx tracker deploy NAME" in done.stderr
    assert mlx("tracker", "status", "team").code == ExitCode.not_found


def test_without_a_name_it_is_the_active_stack_s_server_or_the_only_one(mlx: Any) -> None:
    (make_server("team", 5998) / "server.log").write_text("of team\n")
    assert mlx("tracker", "logs").stdout == "of team\n"
    (make_server("other", 5999) / "server.log").write_text("of other\n")
    done = mlx("tracker", "logs")
    assert (done.code, "other, team" in done.stderr) == (ExitCode.usage, True)
    mlx("tracker", "register", "other", "--flavor=mlflow")
    mlx("stack", "register", "s", "-e", "other", "--set")
    assert mlx("tracker", "logs").stdout == "of other\n"
    done = mlx("tracker", "stop", "taem")
    assert (done.code, "did you mean 'team'?" in done.stderr) == (ExitCode.not_found, True)


def test_a_tracker_that_was_renamed_still_finds_its_server(mlx: Any) -> None:
    make_server("team", 5998)
    mlx("tracker", "register", "ours", "--flavor=mlflow", "--tracking_uri=http://127.0.0.1:5998")
    assert json.loads(mlx("tracker", "status", "ours", "-o", "json").stdout)["name"] == "team"
    assert "team was not running" in mlx("tracker", "stop", "ours").stderr


def test_deleting_a_tracker_keeps_its_data_and_says_where(mlx: Any) -> None:
    folder = make_server("team", 5998)
    mlx("tracker", "register", "team", "--flavor=mlflow")
    done = mlx("tracker", "delete", "team", "--yes")
    assert done.code == ExitCode.ok, done.stderr
    assert f"stays in {folder}" in done.stderr
    assert "mlx secret delete team_admin" in done.stderr
    assert (folder / "tracker.json").exists()
    mlx("tracker", "register", "plain", "--flavor=mlflow")
    assert "stays" not in mlx("tracker", "delete", "plain", "--yes").stderr


def test_one_whose_deployment_was_interrupted_is_listed_and_deleting_its_tracker_says_how_to_clear_it(
    mlx: Any,
) -> None:
    folder = make_server("team", 5998)
    (folder / "deploying.json").write_text(json.dumps({"url": "http://127.0.0.1:5998"}))
    mlx("tracker", "register", "team", "--flavor=mlflow", "--tracking_uri=http://127.0.0.1:5997")
    [record] = json.loads(mlx("tracker", "status", "-o", "json").stdout)
    assert (record["state"], record["reason"]) == ("failed", "deploying was interrupted")
    done = mlx("tracker", "delete", "team", "--yes")
    assert (done.code, "mlx tracker stop team" in done.stderr) == (ExitCode.ok, True), done.stderr
    assert mlx("tracker", "stop", "team").code == ExitCode.ok
    assert not folder.exists()


def test_a_log_that_would_steer_the_terminal_is_written_out(mlx: Any) -> None:
    (make_server("team", 5998) / "server.log").write_bytes(b"one\n\x1b[2Jtwo \xff\n")
    assert mlx("tracker", "logs").stdout == "one\n\\x1b[2Jtwo \ufffd\n"
    assert mlx("tracker", "logs", "-n", "1").stdout.count("\n") == 1
