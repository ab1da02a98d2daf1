"""The workflow in the README, run as GitHub's runner would run it: each command in a shell of its own, with its variables."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from mlxkit.client import Client

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
CONFIG = """\
version: 1
default_stack: team
experiment_trackers:
  team:
    flavor: mlflow
    tracking_uri: {uri}
    tracking_username: <<mlflow_secret.username>>
    tracking_password: <<mlflow_secret.password>>
stacks:
  team: {{experiment_tracker: team}}
"""

Job = Callable[..., list[subprocess.CompletedProcess[str]]]


@pytest.fixture
def job(mlflow_server, tmp_path: Path, mlx) -> Job:
    """Run the job of the workflow at one commit, and return how each command ended; it stops at the first that fails."""
    workflow = yaml.safe_load(re.search(r"^```yaml\n(name: train\n.*?)^```", README, re.M | re.S)[1])  # type: ignore[index]
    described = workflow["jobs"]["train"]
    commands = [step["run"] for step in described["steps"] if "run" in step]
    assert commands.pop(0) == "pip install mlxkit"
    shim = tmp_path / "bin" / "mlx"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m mlxkit "$@"\n')
    shim.chmod(0o755)
    assert mlx("init", "--example").code == 0
    Path("mlx.yaml").write_text(CONFIG.format(uri=mlflow_server.uri))

    def run(sha: str, *, alpha: float = 1.0) -> list[subprocess.CompletedProcess[str]]:
        values = {
            "secrets.MLFLOW_USERNAME": mlflow_server.username, "secrets.MLFLOW_PASSWORD": mlflow_server.password,
            "github.run_id": sha, "github.sha": sha,
        }  # fmt: skip

        def filled(text: str) -> str:
            return re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda found: values[found[1]], text)

        source = Path("pipeline.py").read_text()
        Path("pipeline.py").write_text(re.sub(r"alpha: float = [\d.e+]+", f"alpha: float = {alpha}", source))
        summary = tmp_path / "summary.md"
        summary.write_text("")
        environ = {
            **os.environ, **{name: filled(value) for name, value in described["env"].items()},
            "PATH": f"{shim.parent}:{os.environ['PATH']}", "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(Path.cwd()), "GITHUB_STEP_SUMMARY": str(summary),
        }  # fmt: skip
        ended = []
        for command in commands:
            script = tmp_path / "script.sh"
            script.write_text(filled(command) + "\n")  # the runner, too, gives the shell a file
            ended.append(
                subprocess.run(
                    ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
                    env=environ,
                    capture_output=True,
                    text=True,
                    timeout=300,
                    stdin=subprocess.DEVNULL,
                )
            )
            if ended[-1].returncode:
                break
        return ended

    return run


def test_the_workflow_trains_registers_and_promotes_only_what_is_better(
    job: Job, mlflow_server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = job("1111aaaa")
    assert [done.returncode for done in first] == [0] * len(first), first[-1].stderr
    said = "".join(done.stdout + done.stderr for done in first)
    assert "::group::" in said and "::endgroup::" in said
    assert f"::add-mask::{mlflow_server.password}" in said
    without_masks = re.sub(r"^::add-mask::.*$", "", said, flags=re.M)
    assert mlflow_server.password not in without_masks
    summary = (tmp_path / "summary.md").read_text()
    assert "val\\_rmse" in summary and "train" in summary
    assert mlflow_server.password not in summary

    worse = job("2222bbbb", alpha=1e6)
    assert [done.returncode for done in worse] == [0, 0, 0, 1], worse[-1].stderr
    better = job("3333cccc", alpha=10.0)
    assert [done.returncode for done in better] == [0] * len(better), better[-1].stderr

    monkeypatch.setenv("MLX_SECRET_MLFLOW_SECRET__USERNAME", mlflow_server.username)
    monkeypatch.setenv("MLX_SECRET_MLFLOW_SECRET__PASSWORD", mlflow_server.password)
    assert Client().models.get("diabetes@production").version_tag == "3333cccc"


def test_a_failed_step_is_an_annotation_at_its_line(job: Job) -> None:
    source = Path("pipeline.py").read_text()
    Path("pipeline.py").write_text(
        source.replace("    rmse = float(", '    raise ValueError("50% too much")\n    rmse = float(')
    )
    line = Path("pipeline.py").read_text().splitlines().index('    raise ValueError("50% too much")') + 1
    ended = job("4444dddd")
    assert ended[-1].returncode == 6
    said = ended[-1].stdout + ended[-1].stderr
    found = re.search(r"^::error file=pipeline\.py,line=(\d+),title=[^:]*evaluate[^:]*::(.*)$", said, re.M)
    assert found is not None, said
    assert int(found[1]) == line
    assert "50%25 too much" in found[2]
