"""`mlx completion`: prints scripts, and writes them where shells look, editing nobody's files."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.completion.scripts import SCRIPTS, script
from mlxkit.errors import ExitCode
from tests.conftest import Result

Mlx = Callable[..., Result]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_a_script_is_printed(shell: str, mlx: Mlx) -> None:
    done = mlx("completion", shell)
    assert (done.stdout, done.stderr, done.code) == (script(shell), "", ExitCode.ok)


def test_bash_has_it_where_bash_completion_looks(
    home: Path, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/bash")
    done = mlx("completion", "install")
    path = home / ".local/share/bash-completion/completions/mlx"
    assert path.read_text() == script("bash")
    assert f"wrote: {path}" in done.stderr
    assert done.stdout == f"source {path}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert f"unchanged: {path}" in mlx("completion", "install").stderr


def test_fish_needs_nothing_more(home: Path, mlx: Mlx) -> None:
    done = mlx("completion", "install", "--shell", "fish")
    assert (home / ".config/fish/completions/mlx.fish").read_text() == script("fish")
    assert done.stdout == ""


def test_zsh_is_told_of_the_folder_unless_it_knows(
    home: Path, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home / ".local/share/zsh/site-functions"
    assert mlx("completion", "install", "--shell", "zsh").stdout.startswith(f"fpath=({folder} $fpath)")
    assert (folder / "_mlx").read_text() == script("zsh")
    monkeypatch.setenv("FPATH", f"/usr/share/zsh/functions:{folder}")
    assert mlx("completion", "install", "--shell", "zsh").stdout == ""


def test_powershell_gets_a_line_and_no_file(home: Path, mlx: Mlx) -> None:
    before = sorted(home.rglob("*"))
    done = mlx("completion", "install", "--shell", "powershell")
    assert done.stdout == "mlx completion powershell | Out-String | Invoke-Expression\n"
    assert sorted(home.rglob("*")) == before


def test_a_dry_run_writes_nothing_and_names_all(home: Path, mlx: Mlx) -> None:
    before = sorted(home.rglob("*"))
    done = mlx("completion", "install", "--shell", "fish", "--man", "--dry-run")
    assert sorted(home.rglob("*")) == before
    assert "would write: " in done.stderr
    assert str(home / ".local/share/man/man1/mlx.1") in done.stderr
    assert str(home / ".local/share/man/man5/mlx.yaml.5") in done.stderr


def test_the_base_folders_follow_their_variables(
    tmp_path: Path, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    mlx("completion", "install", "--shell", "bash", "--man")
    mlx("completion", "install", "--shell", "fish")
    assert (tmp_path / "data/bash-completion/completions/mlx").exists()
    assert (tmp_path / "data/man/man1/mlx-stack.1").exists()
    assert (tmp_path / "config/fish/completions/mlx.fish").exists()


def test_no_file_that_a_shell_reads_at_start_is_touched(home: Path, mlx: Mlx) -> None:
    for name in (".bashrc", ".zshrc", ".profile"):
        (home / name).write_text("# mine\n")
    for shell in SCRIPTS:
        mlx("completion", "install", "--shell", shell)
    assert {(home / name).read_text() for name in (".bashrc", ".zshrc", ".profile")} == {"# mine\n"}


def test_a_link_of_another_installation_is_replaced_and_its_target_left(home: Path, mlx: Mlx) -> None:
    path = home / ".config/fish/completions/mlx.fish"
    path.parent.mkdir(parents=True)
    target = home / "target.fish"
    target.write_text("old\n")
    path.symlink_to(target)
    mlx("completion", "install", "--shell", "fish")
    assert target.read_text() == "old\n"
    assert not path.is_symlink() and path.read_text() == script("fish")


def test_an_unknown_shell_is_refused_with_the_nearest(mlx: Mlx) -> None:
    done = mlx("completion", "install", "--shell", "fsh")
    assert done.code == ExitCode.usage
    assert "did you mean 'fish'?" in done.stderr


@pytest.mark.parametrize("shell", ["", "/bin/tcsh"])
def test_a_shell_that_cannot_be_told_is_asked_for(
    shell: str, mlx: Mlx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", shell)
    done = mlx("completion", "install")
    assert done.code == ExitCode.usage
    assert "--shell bash|zsh|fish|powershell" in done.stderr


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(home: Path, mlx: Mlx) -> None:
    (home / ".config").write_text("a file\n")
    done = mlx("completion", "install", "--shell", "fish")
    assert done.code == ExitCode.failed
    assert str(home / ".config/fish/completions") in done.stderr
