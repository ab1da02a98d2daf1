"""Golden screens: what a person sees at 80 columns, masked; those that the README shows are the same files.

`MLX_WRITE_SCREENS=1 pytest tests/screens` writes them anew; read the difference like code.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fixtures.screen import on_terminal
from tests.screens.masks import masked

ROOT = Path(__file__).parent.parent.parent
GOLDEN = Path(__file__).parent / "golden"
IS_WRITING = bool(os.environ.get("MLX_WRITE_SCREENS"))
DAY = 86400.0

# name -> what is typed; the project is that of `mlx init --example` after two runs.
SCREENS = {
    "help": "mlx --help",
    "help-run": "mlx run --help",
    "status": "mlx status",
    "stack-list": "mlx stack list",
    "flavor-describe": "mlx flavor describe mlflow",
    "runs-list": "mlx runs list",
    "runs-where": 'mlx runs list --where "metrics.val_rmse < 60" --sort metrics.val_rmse',
    "runs-describe": "mlx runs describe latest",
    "runs-graph": "mlx runs graph latest",
    "runs-compare": "mlx runs compare first second",
    "artifact-list": "mlx artifact list",
    "secret-list": "mlx secret list",
    "dry-run": "mlx run pipeline.py --alpha 3 --dry-run",
    "wrong-stack": "mlx stack set locla",
    "wrong-command": "mlx runs lst",
    "doctor": "mlx doctor",
}


@pytest.fixture(scope="module")
def project() -> Iterator[dict[str, str]]:
    """A project with two runs of the example, a few days old, and the environment to look at it in."""
    home = Path(tempfile.mkdtemp(prefix="mlx-screen-", dir="/tmp"))  # as long everywhere: screens fold by it
    password = home / "password"
    password.write_text("correct horse battery staple\n")
    password.chmod(0o600)
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("MLX_", "XDG_", "GITHUB_", "MLFLOW_"))},
        "HOME": str(home), "NO_COLOR": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_CONFIG_GLOBAL": os.devnull, "PWD": str(home / "work"),
        "MLX_SECRETS_BACKEND": "file", "MLX_KEYRING_PASSWORD_FILE": str(password), "LC_ALL": "C.UTF-8",
    }  # fmt: skip
    environ.pop("CI", None)
    (home / "work").mkdir()
    for line in (
        "init --example",
        "run pipeline.py --name first",
        "run pipeline.py --alpha 10 --name second",
    ):
        command = [sys.executable, "-m", "mlxkit", *line.split()]
        subprocess.run(command, env=environ, cwd=home / "work", check=True, capture_output=True)
    _make_older(home / "work" / ".mlx" / "history.db")
    yield environ
    shutil.rmtree(home)


@pytest.fixture(autouse=True)
def _there(project: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name not in project:
            monkeypatch.delenv(name)
    for name, value in project.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(project["PWD"])


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_it_was(name: str) -> None:
    screen = on_terminal(shlex.split(SCREENS[name])[1:])
    seen = masked(screen.text)
    path = GOLDEN / f"{name}.txt"
    if IS_WRITING:
        path.write_text(seen)
    assert seen == path.read_text(), (
        f"to take it: MLX_WRITE_SCREENS=1 pytest {Path(__file__).relative_to(ROOT)}"
    )


@pytest.mark.parametrize("name", SCREENS)
def test_no_line_is_wider_than_the_terminal(name: str) -> None:
    wide = [line for line in (GOLDEN / f"{name}.txt").read_text().splitlines() if len(line) > 80]
    assert [line for line in wide if "http" not in line and "  " in line.strip()] == []


def test_the_readme_shows_these_screens() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = re.findall(r"<!-- screen: ([\w-]+) -->\n```text\n(.*?)```", readme, re.DOTALL)
    assert len(shown) >= 3
    for name, text in shown:
        wanted = f"$ {SCREENS[name]}\n{(GOLDEN / f'{name}.txt').read_text()}"
        if IS_WRITING:
            readme = readme.replace(text, wanted)
            (ROOT / "README.md").write_text(readme)
        else:
            assert text == wanted, name


def _make_older(history: Path) -> None:
    """Move the runs three and two days back, and give each the same time to the second."""
    with closing(sqlite3.connect(history)) as db, db:
        for name, days in (("first", 3), ("second", 2)):
            (run, started) = db.execute("SELECT id, started FROM runs WHERE name = ?", (name,)).fetchone()
            back = days * DAY + 60
            db.execute(
                "UPDATE runs SET started = started - ?, ended = started - ? + 3.21 WHERE id = ?",
                (back, back, run),
            )
            db.execute(
                "UPDATE steps SET started = started - ?, ended = started - ? + 0.42 WHERE run_id = ?",
                (back, back, run),
            )
            assert started > 0
