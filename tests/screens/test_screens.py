"""Golden screens: what a person sees at 80 columns, masked; those that the README shows are the same files.

`MLX_WRITE_SCREENS=1 pytest tests/screens` writes them anew; read the difference like code.
"""

from __future__ import annotations

import difflib
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

from tests.fixtures.terminals import on_terminal
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
    "run": "mlx run pipeline.py --alpha 100 --name third",  # the last: it changes what the others show
}

SENTENCES = ("run",)  # words and addresses, which the terminal wraps


@pytest.fixture
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


def test_screens_are_as_they_were(project: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name not in project:
            monkeypatch.delenv(name)
    for name, value in project.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(project["PWD"])
    changed = []
    for name, typed in SCREENS.items():
        with on_terminal([sys.executable, "-m", "mlxkit", *shlex.split(typed)[1:]], rows=100) as terminal:
            terminal.wait()
            seen = masked("\n".join(terminal.screen(rows=100, columns=400).text).strip("\n") + "\n")
        path = GOLDEN / f"{name}.txt"
        if IS_WRITING:
            path.write_text(seen)
        elif seen != path.read_text():
            changed += difflib.unified_diff(
                path.read_text().splitlines(), seen.splitlines(), name, "now", lineterm=""
            )
    assert not changed, "\n".join([*changed, "to take it: MLX_WRITE_SCREENS=1 pytest tests/screens"])


def test_no_line_is_wider_than_the_terminal() -> None:
    wide = [
        f"{path.stem}: {line}"
        for path in sorted(GOLDEN.glob("*.txt"))
        if path.stem not in SENTENCES
        for line in path.read_text().splitlines()
        if len(line) > 80 and "://" not in line
    ]
    assert wide == []


def test_the_readme_shows_these_screens() -> None:
    readme = (ROOT / "README.md").read_text()
    block = re.compile(r"(?<=<!-- screen: )([\w-]+)( -->\n```text\n)(.*?)(?=```)", re.DOTALL)
    wanted = block.sub(
        lambda found: (
            f"{found[1]}{found[2]}$ {SCREENS[found[1]]}\n{(GOLDEN / f'{found[1]}.txt').read_text()}"
        ),
        readme,
    )
    assert len(block.findall(readme)) >= 5
    if IS_WRITING:
        (ROOT / "README.md").write_text(wanted)
    assert readme == wanted or IS_WRITING, "to take it: MLX_WRITE_SCREENS=1 pytest tests/screens"


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
