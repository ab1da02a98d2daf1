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


_SECRET_FILES = [
    ".envrc", "prod.env", ".aws/credentials", ".ssh/id_rsa", ".ssh/config", ".vault-token", "kubeconfig", ".kube/config",
    ".git-credentials", ".pypirc", ".netrc", "server.key", "certs/Server.PEM", ".config/gcloud/x.json", ".config/mlx/x",
    ".local/share/mlx/secrets.enc", "sub/.ENV", ".docker/config.json", "keys/id_ed25519",
]  # fmt: skip


@pytest.mark.parametrize("has_git", [True, False])
def test_files_that_hold_secrets_by_custom_stay_here(file: Write, has_git: bool) -> None:
    for name in (*_SECRET_FILES, "p.py", "environment.yaml", "lib/key.py", ".config/tool.toml"):
        file(name)
    if has_git:
        _repository()
    files = set(Package.of(Path.cwd().resolve()).files) - {".gitignore"}
    assert files == {"p.py", "environment.yaml", "lib/key.py", ".config/tool.toml"}


@pytest.mark.parametrize("has_git", [True, False])
def test_a_link_carries_nothing_that_does_not_travel_itself(file: Write, has_git: bool) -> None:
    for name in ("p.py", ".env", "private/x.txt"):
        file(name)
    for link, target in (("cfg", ".env"), ("again", "cfg"), ("mine.txt", "private/x.txt"), ("q.py", "p.py")):
        Path(link).symlink_to(target)
    if has_git:
        _repository("private/")
    else:
        Path(".gitignore").write_text("private/\n")
    assert set(Package.of(Path.cwd().resolve()).files) == {".gitignore", "p.py", "q.py"}


@pytest.mark.parametrize("levels", [0, 1])
def test_a_home_folder_does_not_travel(
    home: Path, file: Write, monkeypatch: pytest.MonkeyPatch, levels: int
) -> None:
    file("p.py")
    here = Path.cwd().resolve()
    monkeypatch.setenv("HOME", str(here / "me" if levels else here))
    with pytest.raises(UsageError, match="home folder"):
        Package.of(here)


def test_repositories_inside_of_one_travel(file: Write) -> None:
    for name in (
        "p.py",
        "own/mod.py",
        "own/cache/x.bin",
        "own/notes.csv",
        "own/.env",
        "sub/deep/mod.py",
        "skip/x.py",
    ):
        file(name)
    Path("own/.gitignore").write_text("cache/\n")
    Path(".rayignore").write_text("skip/\n*.csv\n!keep.csv\n")
    file("keep.csv")
    _repository()
    for folder in ("own", "sub/deep", "skip"):
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for command in (["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd="sub/deep", check=True)
    subprocess.run(["git", "add", "sub"], check=True, stderr=subprocess.DEVNULL)  # as a submodule has it
    assert set(Package.of(Path.cwd().resolve()).files) == {
        ".gitignore", ".rayignore", "p.py", "keep.csv", "own/.gitignore", "own/mod.py", "sub/deep/mod.py",
    }  # fmt: skip


def test_a_file_that_the_run_needs_has_to_travel(file: Write) -> None:
    for name in ("p.py", "local.py", "run.env"):
        file(name)
    Path("linked.py").symlink_to("p.py")
    _repository("local.py")
    package = Package.of(Path.cwd().resolve())
    for name in ("p.py", "linked.py"):
        package.require(Path(name))
    with pytest.raises(UsageError, match=r"local\.py does not travel to the cluster: \.gitignore"):
        package.require(Path("local.py"))
    with pytest.raises(UsageError, match=r"run\.env does not travel: files of such a name"):
        package.require(Path("run.env"))
