"""What travels with a detached run, and what is refused before it does."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.errors import UsageError
from mlxkit.pipelines.detached import package as module
from mlxkit.pipelines.detached.package import Package

Write = Callable[[str], Path]


@pytest.fixture
def file() -> Write:
    def make(name: str) -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}\n")
        return path

    return make


def _repository(*ignored: str) -> None:
    Path(".gitignore").write_text("".join(f"{line}\n" for line in ignored))
    subprocess.run(["git", "init", "-q"], check=True)


@pytest.mark.parametrize("has_git", [True, False])
def test_ignored_files_state_environments_and_secrets_stay_here(file: Write, has_git: bool) -> None:
    for name in (
        "p.py",
        "lib/a.py",
        "data/big.bin",
        "notes.txt",
        "lib/deep/b.csv",
        ".env",
        ".env.local",
        "keep/.env2",
    ):
        file(name)
    for name in (".mlx/history.db", "lib/__pycache__/a.pyc", "own/pyvenv.cfg", "own/lib/x.py", ".venv/y.py"):
        file(name)
    Path(".rayignore").write_text("# what the cluster does not need\nnotes.txt\nlib/**/*.csv\n")
    if has_git:
        _repository("data/")
    else:
        Path(".gitignore").write_text("data/\n")
    found = Package.of(Path.cwd().resolve())
    assert set(found.files) == {".gitignore", ".rayignore", "keep/.env2", "lib/a.py", "p.py"}
    assert found.size == sum(Path(name).stat().st_size for name in found.files)


def test_a_link_that_leads_out_of_the_project_does_not_travel(home: Path, file: Write) -> None:
    (home / "private").write_text("mine")
    file("p.py")
    Path("out").symlink_to(home / "private")
    Path("in.py").symlink_to("p.py")
    assert Package.of(Path.cwd().resolve()).files == ("in.py", "p.py")


def test_too_much_is_refused_with_the_largest_files(file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 2 << 20)
    file("p.py")
    Path("huge.bin").write_bytes(b"x" * (3 << 20))
    with pytest.raises(UsageError) as refused:
        Package.of(Path.cwd().resolve())
    assert "at most 2 MiB" in refused.value.message
    assert "3.0 MiB  huge.bin\n" in refused.value.message
    assert ".rayignore" in str(refused.value.hint)


def test_the_same_files_give_the_same_package_with_the_configuration_that_is_in_force(
    home: Path, file: Write
) -> None:
    file("p.py").chmod(0o755)
    file("mlx.yaml")
    made = Package.of(Path.cwd().resolve())
    first, second = home / "1.zip", home / "2.zip"
    made.write(first, b"version: 1\n")
    Path("p.py").touch()
    made.write(second, b"version: 1\n")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as opened:
        assert sorted(opened.namelist()) == ["mlx.yaml", "p.py"]
        assert opened.read("mlx.yaml") == b"version: 1\n"
        assert opened.getinfo("p.py").external_attr >> 16 & 0o777 == 0o755
