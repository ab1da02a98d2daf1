"""A TAB as the shell starts it: a process that imports next to nothing, says nothing of errors, and always succeeds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# None of these is read in by a bare Python; each would cost a good part of what a TAB may take, or more.
HEAVY = (
    "typer", "click", "rich", "yaml", "json", "re", "typing", "enum", "dataclasses", "functools", "contextlib", "pathlib", "importlib",
    "importlib.metadata", "sqlite3", "keyring", "cryptography", "mlflow", "subprocess", "shutil", "logging", "collections",
    "mlxkit.errors", "mlxkit.config.paths", "mlxkit.commands",
)  # fmt: skip

PROBE = """
import sys
before = set(sys.modules)
import os
from mlxkit.__main__ import main
sys.argv = ["mlx", *sys.argv[1:]]
really = os._exit
def told(code):
    os.write(2, ("LOADED " + " ".join(sorted(set(sys.modules) - before))).encode())
    really(code)
os._exit = told
main()
"""

TYPED = [
    [""], ["stack", ""], ["stack", "set", ""], ["stack", "list", "--output="], ["tracker", "register", "x", "--"], ["tracker", "describe", ""],
    ["secret", "get", ""], ["secret", "get", "s", ""], ["runs", "describe", ""], ["pipeline", "describe", ""], ["model", "describe", "i"],
    ["deployment", "stop", ""], ["artifact", "get", ""], ["run", ""], ["run", "p.py:"], ["flavor", "describe", ""], ["help", ""],
]  # fmt: skip


def tab(*typed: str, shell: str = "bash", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlxkit", *typed],
        env={**os.environ, "_MLX_COMPLETE": shell}, cwd=cwd, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def loaded_by(*typed: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *typed], env={**os.environ, "_MLX_COMPLETE": "bash"}, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0 and "LOADED " in done.stderr, done.stderr
    return done.stderr.rpartition("LOADED ")[2].split()


def write_project() -> None:
    Path("mlx.yaml").write_text("version: 1\nstacks:\n  dev: {}\n")
    Path("p.py").write_text("@pipeline\ndef train(): ...\n")
    names = Path(".mlx/names")
    names.mkdir(parents=True)
    Path(".mlx/history.db").touch()
    (names / "runs").write_text("abc first\n")
    (names / "models").write_text("iris\n")


@pytest.mark.parametrize("typed", TYPED, ids=" ".join)
def test_a_tab_imports_nothing_heavy(typed: list[str]) -> None:
    write_project()
    loaded = loaded_by(*typed)
    assert [name for name in HEAVY if name in loaded] == []
    assert len(loaded) < 20, loaded


def test_the_guard_sees_a_planted_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_project()
    package = tmp_path / "planted"
    package.mkdir()
    (package / "sitecustomize.py").write_text(
        "import sys\nclass Finder:\n    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'mlxkit.completion.answer':\n            import json\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(package))
    assert "json" in loaded_by("stack", "set", "")


def test_names_come_from_the_project() -> None:
    write_project()
    done = tab("stack", "set", "")
    assert (done.stdout, done.stderr, done.returncode) == ("words\ndev\n", "", 0)


def plant(what: str, home: Path) -> None:
    data = home / ".local/share/mlx"
    data.mkdir(parents=True)
    if what == "fifo":
        os.mkfifo("mlx.yaml")
        os.mkfifo(data / "secrets.json")
    elif what == "folder":
        Path("mlx.yaml").mkdir()
        (data / "secrets.json").mkdir()
    elif what == "garbage":
        Path("mlx.yaml").write_bytes(bytes(range(256)) * 100)
        (data / "secrets.json").write_bytes(bytes(range(256)) * 100)
    elif what == "dangling":
        Path("mlx.yaml").symlink_to("nowhere")
    elif what == "endless":
        Path("mlx.yaml").symlink_to("/dev/zero")


@pytest.mark.parametrize("what", ["fifo", "folder", "garbage", "dangling", "endless", "nothing"])
@pytest.mark.parametrize(
    "typed", [["stack", "set", ""], ["secret", "get", ""], ["runs", "describe", ""]], ids=" ".join
)
def test_whatever_is_in_the_way_a_tab_is_quiet(what: str, typed: list[str], home: Path) -> None:
    plant(what, home)
    done = tab(*typed)
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = f"import os, sys; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); os.execv(sys.executable, [sys.executable, '-m', 'mlxkit', 'stack', 'set', ''])"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "_MLX_COMPLETE": "bash"}, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize(
    "typed", [[], ["--"], ["-"], ["="], ["--="], ["stack", "--", ""], ["\udcff"], ["run", "a:b:c"], ["x" * 5000], ["stack", "\n"]]
)  # fmt: skip
@pytest.mark.parametrize("shell", ["zsh", "powershell"])
def test_no_line_is_too_strange(typed: list[str], shell: str) -> None:
    done = tab(*typed, shell=shell)
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_reader_that_went_away(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m mlxkit stack '' | true; echo ${{PIPESTATUS[0]}}"],
        env={**os.environ, "_MLX_COMPLETE": "bash"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_powershell_gives_the_word_with_a_blank_before_it() -> None:
    assert tab("stack", " se", shell="powershell").stdout.splitlines()[1].startswith("set\t")
    assert len(tab("stack", " ", shell="powershell").stdout.splitlines()) > 5
