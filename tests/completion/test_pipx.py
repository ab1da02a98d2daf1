"""What pipx makes of the wheel: pages and completion are where `man`, bash and fish look, without another command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from mlxkit.reference.documents import repository
from tests.completion.shells import BIN, shell

pytestmark = pytest.mark.integration


def without_requirements(wheel: Path, folder: Path) -> Path:
    """Copy a wheel without what it depends on: this environment lends that, so that nothing large is installed."""
    copied = folder / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(copied, "w") as new:
        for item in old.infolist():
            data = old.read(item)
            if item.filename.endswith(".dist-info/METADATA"):
                data = re.sub(rb"(?m)^Requires-Dist: .*\n", b"", data)
            elif item.filename.endswith(".dist-info/RECORD"):
                data = re.sub(rb"(?m)^(.*METADATA),.*$", rb"\1,,", data)
            new.writestr(item, data)
    return copied


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a user who typed `pipx install`."""
    pipx = shutil.which("pipx", path=f"{BIN}:{os.environ['PATH']}")
    if pipx is None:
        pytest.skip("pipx is not installed")
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    home = tmp_path_factory.mktemp("user")
    built = tmp_path_factory.mktemp("built")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", built],
        cwd=repository(), check=True, capture_output=True,
    )  # fmt: skip
    wheel = without_requirements(next(built.glob("*.whl")), tmp_path_factory.mktemp("small"))
    done = subprocess.run(
        [pipx, "install", "--python", sys.executable, wheel], env=environment(home), capture_output=True, text=True, check=False
    )  # fmt: skip
    if "No matching distribution found for pip" in done.stdout + done.stderr:
        pytest.skip("pipx could not fetch the pip that it wants")
    assert done.returncode == 0, done.stdout + done.stderr
    site = next((home / "pipx" / "venvs" / "mlxkit" / "lib").glob("python*/site-packages"))
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def environment(home: Path) -> dict[str, str]:
    scrubbed = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("XDG_", "PIPX_", "MLX_", "PYTHON"))
    }
    return {**scrubbed, "HOME": str(home), "PIPX_HOME": str(home / "pipx")}


def test_pages_and_completion_are_there_at_once(
    user: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("mlx.yaml").write_text("version: 1\nstacks:\n  dev: {}\n  prod: {}\n")
    monkeypatch.setenv("HOME", str(user))
    loader = Path("/usr/share/bash-completion/bash_completion")
    if shutil.which("man") is None or not loader.exists():
        pytest.skip("man or bash-completion is not installed")
    for page in ("mlx", "mlx-stack", "mlx.yaml"):
        done = subprocess.run(
            ["man", "-w", page],
            env={**environment(user), "PATH": f"{user}/.local/bin:/usr/bin:/bin", "MANPATH": ""},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert str(user) in done.stdout, done.stderr
    # fish needs nothing, bash what every distribution loads, zsh the one line that the README has.
    prepared = {
        "fish": "true",
        "bash": f"source {loader}",
        "zsh": "fpath=(~/.local/share/zsh/site-functions $fpath); compinit -u -D",
    }
    for name, line in prepared.items():
        with shell(name, path=f"{user}/.local/bin", cwd=Path.cwd()) as started:
            started.run(line)
            assert started.complete("mlx stack set p") == "mlx stack set prod ", name
