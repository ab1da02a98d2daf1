"""`mlx init`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxkit.config.document import read_config
from mlxkit.config.paths import find_project


def test_the_file_is_commented_and_valid(mlx: Any) -> None:
    done = mlx("init")
    assert (done.code, done.stdout, done.stderr) == (0, "", "wrote mlx.yaml\n")
    config = read_config(find_project())
    assert config.default_stack == "local"
    assert Path("mlx.yaml").read_text().count("#") > 10
    assert mlx("stack", "validate").code == 0


def test_the_part_in_comments_is_valid_too(mlx: Any) -> None:
    mlx("init")
    text = Path("mlx.yaml").read_text()
    for line in (
        "team:\n",
        "  flavor: mlflow\n",
        "  tracking_uri: ",
        "  tracking_username: ",
        "  tracking_password: ",
        "team: {",
    ):
        assert f"  # {line}" in text
        text = text.replace(f"  # {line}", f"  {line}")
    Path("mlx.yaml").write_text(text)
    assert mlx("stack", "validate", "team").code == 0


def test_nothing_is_overwritten(mlx: Any) -> None:
    Path("mlx.yaml").write_text("# mine\n")
    done = mlx("init")
    assert done.code == 1
    assert "already exists, and stays as it is" in done.stderr
    Path("pipeline.py").write_text("# mine too\n")
    assert mlx("init", "--example").code == 0
    assert (Path("mlx.yaml").read_text(), Path("pipeline.py").read_text()) == ("# mine\n", "# mine too\n")


def test_the_example_can_be_added_later(mlx: Any) -> None:
    Path("mlx.yaml").write_text("# mine\n")
    done = mlx("init", "--example")
    assert done.code == 0
    assert "mlx.yaml is already here and stays as it is" in done.stderr
    assert Path("mlx.yaml").read_text() == "# mine\n"
    assert Path("pipeline.py").exists()


def test_a_folder_inside_a_project_gets_a_project_of_its_own(
    mlx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("mlx.yaml").write_text("# outer\n")
    Path("inner").mkdir()
    monkeypatch.chdir("inner")
    assert mlx("init").code == 0
    assert Path("mlx.yaml").exists()
    assert Path("../mlx.yaml").read_text() == "# outer\n"


def test_a_file_named_by_the_environment_is_written(
    mlx: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_CONFIG", str(home / "team.yaml"))
    assert mlx("stack", "list").code == 4
    assert mlx("init").code == 0
    assert (home / "team.yaml").exists()
    assert mlx("stack", "get").stdout == "local\n"


def test_the_example_is_ordinary_python_that_our_linter_likes(mlx: Any) -> None:
    mlx("init", "--example")
    compile(Path("pipeline.py").read_text(), "pipeline.py", "exec")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--isolated",
            "--select",
            "E,F,W,B,UP",
            "--line-length",
            "120",
            "pipeline.py",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.integration
def test_the_example_runs_and_its_metrics_are_in_mlflow(mlx: Any, mlx_process: list[str]) -> None:
    mlx("init", "--example")
    done = subprocess.run(
        [*mlx_process, "run", "pipeline.py", "--alpha", "0.5"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "validation: rmse " in done.stdout
    query = (
        "import sqlite3\n"
        "with sqlite3.connect('.mlx/mlflow/mlflow.db') as base:\n"
        "    print(sorted(base.execute('select key from latest_metrics')))\n"
        "    print(base.execute(\"select value from params where key = 'alpha'\").fetchall())\n"
    )
    found = subprocess.run([sys.executable, "-c", query], capture_output=True, text=True, check=False)
    assert found.stdout == "[('val_r2',), ('val_rmse',)]\n[('0.5',)]\n", found.stderr


def test_a_folder_below_a_configuration_of_another_user_can_have_its_own(mlx: Any, home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    (home / "mlx.yaml").touch()
    os.chown(home / "mlx.yaml", 54321, -1)
    refused = mlx("stack", "list")
    assert refused.code == 4
    assert str(home / "mlx.yaml") in refused.stderr
    assert mlx("init").code == 0
    assert mlx("stack", "list").code == 0
