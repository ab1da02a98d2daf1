"""A run against a server with basic auth whose password is only in the keyring: the password is found nowhere else."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

PIPELINE = """
import os, subprocess, sys, time
import mlflow
from mlxkit import Client, pipeline, step

@step(experiment_tracker="team")
def train() -> float:
    mlflow.log_param("rate", 0.1)
    mlflow.log_metric("accuracy", 0.9)
    with open("model.txt", "w") as handle:
        handle.write("a model")
    mlflow.log_artifact("model.txt")
    child = subprocess.run([sys.executable, "-c", "import os, json; print(json.dumps(dict(os.environ)))"], capture_output=True, text=True)
    with open("child-environment.json", "w") as handle:
        handle.write(child.stdout)
    print("the server's password is", Client().secrets.lookup("mlflow_secret")["password"])
    time.sleep(1.0)
    return 0.9

@step
def after(accuracy: float) -> bool:
    return any("PASSWORD" in name or "USERNAME" in name for name in os.environ if name.startswith("MLFLOW"))

@pipeline
def leaks() -> None:
    print(f"credentials left behind: {after(train())}")
"""


def forms(secret: str) -> list[bytes]:
    """The secret as it is and as it is usually encoded."""
    raw = secret.encode()
    return [
        raw,
        base64.b64encode(raw).rstrip(b"="),
        raw.hex().encode(),
        urllib.parse.quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
    ]


def everything_under(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield path, path.read_bytes()


class ProcessWatch(threading.Thread):
    """Reads the arguments of every process again and again while a run goes on."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.seen = b""
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen += path.read_bytes() + b"\n"
                except OSError:
                    continue
            time.sleep(0.05)


@pytest.fixture
def watched() -> Iterator[ProcessWatch]:
    watch = ProcessWatch()
    watch.start()
    yield watch
    watch.done.set()
    watch.join(5)


def test_the_password_is_in_the_keyring_and_nowhere_else(
    home: Path, mlflow_server: Any, real_keyring: dict[str, str], watched: ProcessWatch, tmp_path: Path
) -> None:
    env = {**os.environ, **real_keyring, "TMPDIR": str(tmp_path)}
    outputs = []

    def mlx(*argv: str, stdin: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mlxkit", *argv],
            input=stdin,
            capture_output=True,
            text=True,
            env=env,
            check=False,
        )
        outputs.append(done.stdout + done.stderr)
        assert done.returncode == 0, done.stderr
        return done.stdout

    mlx("init")
    mlx(
        "secret",
        "create",
        "mlflow_secret",
        f"--username={mlflow_server.username}",
        "--password=-",
        stdin=mlflow_server.password + "\n",
    )
    mlx(
        "tracker", "register", "team", "--flavor=mlflow", f"--tracking_uri={mlflow_server.uri}",
        "--tracking_username=<<mlflow_secret.username>>", "--tracking_password=<<mlflow_secret.password>>",
    )  # fmt: skip
    mlx("tracker", "test", "team")
    mlx("stack", "register", "team", "-e", "team", "--set")
    Path("training.py").write_text(PIPELINE)
    shown = mlx("run", "training.py")
    assert "credentials left behind: False" in shown
    assert "the server's password is ***" in shown
    mlx("--debug", "runs", "describe", "-o", "json")
    mlx("runs", "logs")
    mlx("tracker", "describe", "team", "-o", "json")
    mlx("secret", "list", "-o", "json")
    mlx("secret", "get", "mlflow_secret")
    mlx("stack", "export", "team")

    wanted = forms(mlflow_server.password)
    # the run is really there, so the password really was used
    runs = mlflow_server.admin.runs("leaks")
    assert [item["info"]["status"] for item in runs] == ["FINISHED"]
    assert runs[0]["metrics"] == {"accuracy": 0.9}
    found = [str(path) for path, data in everything_under(home, tmp_path) for form in wanted if form in data]
    assert found == []
    assert not [form for form in wanted if form in "".join(outputs).encode()]
    assert not [form for form in wanted if form in watched.seen]
    child = json.loads(Path("child-environment.json").read_text())
    assert mlflow_server.password not in child.values()
    assert not [
        key for key in child if key.startswith(("MLX_KEYRING_PASSWORD", "MLX_KEYRING_KEY", "MLX_SECRET_"))
    ]


def test_a_wrong_password_fails_before_the_first_step_and_is_not_shown(
    mlflow_server: Any, mlx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_S__PASSWORD", "wrong-password-canary")
    monkeypatch.setenv("MLX_SECRET_S__USERNAME", mlflow_server.username)
    assert mlx("init").code == 0
    result = mlx(
        "tracker", "register", "team", "--flavor=mlflow", f"--tracking_uri={mlflow_server.uri}",
        "--tracking_username=<<s.username>>", "--tracking_password=<<s.password>>",
    )  # fmt: skip
    assert result.code == 0, result.stderr
    assert mlx("stack", "register", "team", "-e", "team", "--set").code == 0
    Path("training.py").write_text(
        "from mlxkit import pipeline, step\n@step\ndef one() -> int:\n    open('ran', 'w')\n    return 1\n@pipeline\ndef p():\n    one()\n"
    )
    for debug in ([], ["--debug"]):
        result = mlx(*debug, "run", "training.py")
        assert result.code == 5
        assert "wrong-password-canary" not in result.stdout + result.stderr
    assert not Path("ran").exists()
    assert mlx("runs", "list", "-o", "json").stdout == "[]\n"
