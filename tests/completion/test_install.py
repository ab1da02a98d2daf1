"""Pages and completion where the README says that they are: from a wheel, and after `mlx completion install`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from mlxkit.reference.documents import repository
from tests.completion.shells import shell

pytestmark = pytest.mark.integration


def run(*argv: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in argv], env={**os.environ, **(env or {})}, cwd=cwd, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this source tree without asking the network."""
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=repository())
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; what it depends on comes from this one."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel)
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    (Path(site) / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    assert str(folder) in run(python, "-c", "import mlxkit; print(mlxkit.__file__)", cwd=folder)
    return folder


@pytest.fixture
def project() -> Path:
    Path("mlx.yaml").write_text("version: 1\nstacks:\n  dev: {}\n  prod: {}\n")
    return Path.cwd()


@pytest.mark.parametrize("page", ["mlx", "mlx-tracker", "mlx-component", "mlx-model", "mlx.yaml", "mlx-json"])
def test_man_finds_the_pages_of_the_wheel(installed: Path, page: str) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    found = run("man", "-w", page, env={"PATH": f"{installed / 'bin'}:{os.environ['PATH']}", "MANPATH": ""})
    assert Path(found.strip()).resolve().is_relative_to(installed.resolve())


def test_bash_completes_with_the_script_of_the_wheel(installed: Path, project: Path) -> None:
    with shell("bash", path=str(installed / "bin"), cwd=project) as started:
        started.run(f"source {installed}/share/bash-completion/completions/mlx")
        assert started.complete("mlx stack set p") == "mlx stack set prod "


def test_fish_loads_the_script_of_the_wheel_by_itself(
    installed: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_DIRS", f"{installed}/share:/usr/local/share:/usr/share")
    with shell("fish", path=str(installed / "bin"), cwd=project) as started:
        assert started.complete("mlx stack set p") == "mlx stack set prod "


def test_zsh_loads_the_script_of_the_wheel_from_its_folder(installed: Path, project: Path) -> None:
    with shell("zsh", path=str(installed / "bin"), cwd=project) as started:
        started.run(f"fpath=({installed}/share/zsh/site-functions $fpath); compinit -u -D")
        assert started.complete("mlx stack set p") == "mlx stack set prod "
        assert started.complete("mlx stack set d") == "mlx stack set dev "


def test_what_the_command_installs_works_in_fish(installed: Path, project: Path, home: Path) -> None:
    run(installed / "bin" / "mlx", "completion", "install", "--shell", "fish")
    with shell("fish", path=str(installed / "bin"), cwd=project) as started:
        assert started.complete("mlx stack set p") == "mlx stack set prod "


def test_what_the_command_installs_works_in_bash(installed: Path, project: Path) -> None:
    line = run(installed / "bin" / "mlx", "completion", "install", "--shell", "bash").strip()
    with shell("bash", path=str(installed / "bin"), cwd=project) as started:
        started.run(line)
        assert started.complete("mlx stack set p") == "mlx stack set prod "


def test_what_the_command_installs_works_in_zsh(installed: Path, project: Path) -> None:
    line = run(installed / "bin" / "mlx", "completion", "install", "--shell", "zsh").strip()
    with shell("zsh", path=str(installed / "bin"), cwd=project) as started:
        started.run(line.replace("compinit", "compinit -u -D"))
        assert started.complete("mlx stack set p") == "mlx stack set prod "


def test_bash_completion_finds_what_the_command_installs(installed: Path, project: Path, home: Path) -> None:
    loader = Path("/usr/share/bash-completion/bash_completion")
    if not loader.exists():
        pytest.skip("bash-completion is not installed")
    run(installed / "bin" / "mlx", "completion", "install", "--shell", "bash")
    with shell("bash", path=str(installed / "bin"), cwd=project) as started:
        started.run(f"source {loader}")
        assert started.complete("mlx stack set p") == "mlx stack set prod "


def test_man_finds_the_pages_that_the_command_installs(
    installed: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("man") is None:
        pytest.skip("man is not installed")
    run(installed / "bin" / "mlx", "completion", "install", "--shell", "fish", "--man")
    local = home / ".local" / "bin"
    local.mkdir(parents=True)
    found = run("man", "-w", "mlx-stack", env={"PATH": f"{local}:/usr/bin:/bin", "MANPATH": ""})
    assert found.strip() == str(home / ".local/share/man/man1/mlx-stack.1")


def test_an_editable_install_and_a_wheel_write_the_same(installed: Path, home: Path) -> None:
    from_wheel = run(installed / "bin" / "mlx", "completion", "zsh")
    assert from_wheel == (repository() / "completions" / "_mlx").read_text()
    shown = run(installed / "bin" / "mlx", "help", "mlx.yaml")
    assert shown == run(sys.executable, "-m", "mlxkit", "help", "mlx.yaml")
