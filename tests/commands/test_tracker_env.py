"""`mlx tracker env`, evaluated by real shells."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ExitCode

NASTY = "pa'ss\"w$(touch pwned)`touch pwned`\\n o\\'rd! ; touch pwned & {a,b} %PATH% ~ *\u2019 \u00e9\nsecond line"
SHOW = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if 'MLFLOW' in k}))"


@pytest.fixture(autouse=True)
def team(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with a remote tracker, whose password no shell likes, a local one, and a database with a password."""
    Path("mlx.yaml").write_text(
        "version: 1\ndefault_stack: there\nexperiment_trackers:\n  here: {flavor: mlflow, experiment_name: churn}\n"
        "  data: {flavor: mlflow, tracking_uri: 'postgresql://u:<<server.word>>@db/runs'}\n"
        "  team:\n    flavor: mlflow\n    tracking_uri: https://mlflow.example.com\n"
        "    tracking_username: <<server.username>>\n    tracking_password: <<server.password>>\n"
        "stacks:\n  there: {experiment_tracker: team}\n"
    )
    monkeypatch.setenv("MLX_SECRET_SERVER__USERNAME", "ada")
    monkeypatch.setenv("MLX_SECRET_SERVER__PASSWORD", NASTY)
    monkeypatch.setenv("MLX_SECRET_SERVER__WORD", "open-sesame")


def shell_sees(shell: str, script: str) -> dict[str, str]:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [shell, "-c", script.replace("MLX", f"{sys.executable} -m mlxkit")],
        capture_output=True, text=True, env={**os.environ, "MLFLOW_TRACKING_TOKEN": "stale", "MLFLOW_RUN_ID": "stale"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not Path("pwned").exists()
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("shell", "script"),
    [
        ("bash", 'eval "$(MLX tracker env --shell bash)"'),
        ("zsh", 'eval "$(MLX tracker env --shell bash)"'),
        ("fish", "MLX tracker env --shell fish | source"),
    ],
)
def test_a_shell_takes_a_password_as_it_is_and_forgets_that_of_another_tracker(
    shell: str, script: str, tmp_path: Path
) -> None:
    show = tmp_path / "show.py"
    show.write_text(SHOW)
    seen = shell_sees(shell, f"{script}; {sys.executable} {show}")
    assert seen["MLFLOW_TRACKING_PASSWORD"] == NASTY
    assert seen["MLFLOW_TRACKING_USERNAME"] == "ada"
    assert seen["MLFLOW_TRACKING_URI"] == "https://mlflow.example.com"
    assert "stale" not in seen.values()


def test_powershell_has_every_quote_doubled(mlx: Any) -> None:
    written = mlx("tracker", "env", "team", "--shell", "powershell").stdout
    assert "$env:MLFLOW_TRACKING_USERNAME = 'ada'" in written
    assert "pa''ss" in written
    assert "*\u2019\u2019 " in written  # a typographic quote ends a text there as well


def test_json_is_an_object_of_variables(mlx: Any) -> None:
    done = mlx("tracker", "env", "team", "--shell", "json")
    assert json.loads(done.stdout)["MLFLOW_TRACKING_PASSWORD"] == NASTY
    assert done.stderr == ""


def test_without_secrets_it_names_what_is_missing(mlx: Any) -> None:
    done = mlx("tracker", "env", "team", "--shell", "json", "--no-secrets")
    assert json.loads(done.stdout) == {"MLFLOW_TRACKING_URI": "https://mlflow.example.com"}
    assert "left out: MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD" in done.stderr
    assert "ada" not in done.stderr


def test_without_secrets_a_shell_keeps_the_credentials_that_it_has(mlx: Any) -> None:
    first = mlx("tracker", "env", "team", "--shell", "bash", "--no-secrets").stdout.splitlines()[0]
    assert first.startswith("unset ")
    assert "MLFLOW_TRACKING_PASSWORD" not in first


def test_an_address_that_holds_a_password_is_a_secret(mlx: Any) -> None:
    done = mlx("tracker", "env", "data", "--shell", "json", "--no-secrets")
    assert "open-sesame" not in done.stdout + done.stderr
    assert "left out: MLFLOW_TRACKING_URI" in done.stderr
    assert "open-sesame" in mlx("tracker", "env", "data", "--shell", "json").stdout


def test_a_local_tracker_has_no_secret_and_its_experiment(mlx: Any) -> None:
    found = json.loads(mlx("tracker", "env", "here", "--shell", "json").stdout)
    assert found["MLFLOW_TRACKING_URI"] == f"sqlite:///{Path.cwd() / '.mlx' / 'mlflow' / 'mlflow.db'}"
    assert found["MLFLOW_EXPERIMENT_NAME"] == "churn"
    assert not [name for name in found if "PASSWORD" in name]


def test_an_unknown_tracker_is_not_found(mlx: Any) -> None:
    done = mlx("tracker", "env", "taem")
    assert (done.code, done.stdout) == (ExitCode.not_found, "")
    assert "did you mean 'team'?" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "is_shown"), [([], 2, False), (["--reveal"], 0, True), (["--no-secrets"], 0, False)]
)
def test_a_screen_shows_a_password_only_when_it_was_asked_for(
    mlx_process: list[str], options: list[str], code: int, is_shown: bool
) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*mlx_process, "tracker", "env", "team", "--shell", "json", *options],
        stdout=slave, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    os.close(slave)
    shown = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    _, stderr = process.communicate(timeout=60)
    os.close(master)
    assert process.returncode == code, stderr
    assert (b"second line" in shown) == is_shown
    assert "second line" not in stderr
    assert ("warning" in stderr) == (code == 0)
