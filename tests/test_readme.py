"""What the README promises is what CI runs, and every command it shows exists."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SHELL = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_ci_runs_the_readmes_test_command() -> None:
    command = SHELL[1].strip()
    ci = (ROOT / ".ci" / "run").read_text()
    for part in command.split(" && "):
        assert part in ci, f"{part!r} is in the README and not in .ci/run"
    assert (ROOT / ".ci" / "run").stat().st_mode & stat.S_IXUSR


def test_the_readmes_first_command_works_twice_in_a_row(home: Path) -> None:
    steps = SHELL[0].strip().partition("mkdir -p demo")
    command = steps[1] + steps[2]  # what comes before installs into the environment that runs these tests
    command = command.replace("../.venv/bin/mlx", f"{sys.executable} -m mlxkit")
    for _ in range(2):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert re.search(r"validation: rmse \d+\.\d, r2 0\.\d+", done.stdout)
        assert "tracker: http" in done.stderr
        assert "see: mlx runs describe" in done.stderr


def test_six_commands_lead_from_a_model_to_production_as_written(home: Path, tmp_path: Path) -> None:
    section = README.partition("## From a model to production in six commands")[2]
    block = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0]
    assert len(block.splitlines()) == 6
    shim = tmp_path / "mlx"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m mlxkit "$@"\n')
    shim.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def shell(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-ec", script], env=env, capture_output=True, text=True, check=False, timeout=300
        )

    assert shell("mlx init --example").returncode == 0
    try:
        done = shell(block)
        assert done.returncode == 0, done.stderr
        (prediction,) = json.loads(re.search(r"^\[[\d.]+\]$", done.stdout, re.M)[0])  # type: ignore[index]
        assert 25 < prediction < 346  # what the data's own target ranges over
        assert re.search(r"^diabetes:1 \(1\.0\.0\) @production$", done.stdout, re.M)
        assert "served by  live (running" in done.stdout
    finally:
        shell("mlx deployment delete live --yes")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_readmes_quoting_reaches_the_command_in_every_shell(shell: str, tmp_path: Path) -> None:
    fake = tmp_path / "mlx"
    fake.write_text(f'#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word"; done >> {tmp_path}/words\n')
    fake.chmod(0o755)
    line = next(block for block in SHELL if "tracker register team" in block)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    try:
        done = subprocess.run([shell, "-c", line], env=env, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"{shell} is not installed (apt-get install {shell})")
    assert done.returncode == 0, done.stderr
    words = (tmp_path / "words").read_text().splitlines()
    assert "--tracking_username=<<mlflow_secret.username>>" in words
    assert "--tracking_password=<<mlflow_secret.password>>" in words


def test_every_command_of_the_readme_has_help(mlx: Any) -> None:
    shown = [
        shlex.split(line, comments=True)
        for block in SHELL[2:]
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("mlx ")
    ]
    assert len(shown) >= 8
    for words in shown:
        names = [word for word in words[1:3] if re.fullmatch(r"[a-z][a-z-]*", word)]
        names = names[:1] if names[0] in ("run", "init", "exec") else names
        assert mlx(*names, "--help").code == 0, names
