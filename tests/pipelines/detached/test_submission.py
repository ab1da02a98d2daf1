"""What `mlx run --detach` refuses before any cluster is asked: each with its reason, and nothing is left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.errors import ExitCode
from tests.conftest import Result

Mlx = Callable[..., Result]

CONFIG = """
version: 1
default_stack: far
orchestrators:
  far: {flavor: ray, address: "ray://cluster.invalid:10001"}
  own: {flavor: ray}
artifact_stores:
  mount: {flavor: local, path: ../mount}
experiment_trackers:
  disk: {flavor: mlflow}
  loop: {flavor: mlflow, tracking_uri: "http://127.0.0.1:5000"}
stacks:
  far: {orchestrator: far, artifact_store: mount}
  here: {orchestrator: local}
  own: {orchestrator: own}
  stays: {orchestrator: far}
  disk: {orchestrator: far, artifact_store: mount, experiment_tracker: disk}
  loop: {orchestrator: far, artifact_store: mount, experiment_tracker: loop}
"""


@pytest.fixture
def lab() -> Path:
    Path("mlx.yaml").write_text(CONFIG)
    Path("p.py").write_text("from mlxkit import pipeline\n\n@pipeline\ndef train() -> None: ...\n")
    return Path.cwd()


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        ("here", "runs steps on this machine only"),
        ("own", "has no address"),
        ("stays", "is in the state folder of this machine"),
        ("disk", "has no tracking_uri, so its runs stay on this machine"),
        ("loop", "is at 127.0.0.1 of this machine"),
    ],
)
def test_what_the_cluster_could_not_reach_is_refused(mlx: Mlx, lab: Path, stack: str, said: str) -> None:
    result = mlx("run", "--detach", "p.py", "--stack", stack)
    assert result.code == ExitCode.configuration, result.stderr
    assert said in result.stderr
    assert json.loads(mlx("runs", "list", "-o", "json").stdout) == []


def test_credentials_in_plain_text_do_not_travel(mlx: Mlx, lab: Path) -> None:
    text = CONFIG.replace('5000"}', '5000", tracking_token: hunter2-hunter2}')
    (lab / "mlx.yaml").write_text(text)
    result = mlx("run", "--detach", "p.py")
    assert result.code == ExitCode.configuration
    assert "tracking_token of loop is there in plain text" in result.stderr
    assert "hunter2" not in result.stderr


def test_a_file_with_a_known_secret_does_not_travel(
    mlx: Mlx, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_ML__TOKEN", "opaque-71c3")
    text = CONFIG.replace('5000"}', '5000", tracking_token: "<<ml.token>>"}').replace(
        "127.0.0.1", "ml.invalid"
    )
    (lab / "mlx.yaml").write_text(text)
    (lab / "notes.txt").write_text("the token is opaque-71c3")
    result = mlx("run", "--detach", "p.py", "--stack", "loop")
    assert result.code == ExitCode.usage, result.stderr
    assert "notes.txt holds a secret" in result.stderr
    assert "opaque-71c3" not in result.stderr


def test_a_parameter_that_looks_like_a_secret_is_refused(mlx: Mlx, lab: Path) -> None:
    result = mlx("run", "--detach", "p.py", "--api-key", "k-123")
    assert result.code == ExitCode.usage
    assert "parameter api_key looks like a secret" in result.stderr
    assert "k-123" not in result.stderr


def test_a_cluster_that_does_not_answer_is_named_without_its_port_of_ray(mlx: Mlx, lab: Path) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    result = mlx("run", "--detach", "p.py")
    assert result.code == ExitCode.failed
    assert "the Ray dashboard at http://cluster.invalid:8265 does not answer" in result.stderr
    assert json.loads(mlx("runs", "list", "-o", "json").stdout) == []


def test_a_file_that_git_ignores_is_refused_before_any_cluster_is_asked(mlx: Mlx, lab: Path) -> None:
    (lab / "run.yaml").write_text("parameters: {}")
    (lab / ".gitignore").write_text("run.yaml\n")
    result = mlx("run", "--detach", "p.py", "--config", "run.yaml")
    assert result.code == ExitCode.usage
    assert "run.yaml does not travel" in result.stderr
    (lab / ".gitignore").write_text("p.py\n")
    result = mlx("run", "--detach", "p.py")
    assert result.code == ExitCode.usage
    assert "p.py does not travel" in result.stderr


@pytest.mark.parametrize(
    "words",
    [["--tag", "token=hunter2-hunter2"], ["--config", "run.yaml"], ["--", "--password", "hunter2-hunter2"],
     ["-p", "db=postgresql://u:hunter2-hunter2@h/d"]],
)  # fmt: skip
def test_a_secret_wherever_it_is_said_is_refused(mlx: Mlx, lab: Path, words: list[str]) -> None:
    (lab / "run.yaml").write_text("parameters: {password: hunter2-hunter2}")
    result = mlx("run", "--detach", "p.py", *words)
    assert result.code == ExitCode.usage
    assert "looks like a secret" in result.stderr
    assert "hunter2" not in result.stderr
