"""A TAB finds the project where every other command finds it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlxkit.completion import places
from mlxkit.config import paths
from mlxkit.errors import MlxError


def both() -> tuple[tuple[str, str], tuple[str, str]]:
    project = paths.find_project()
    return places.find(), (str(project.config_path), str(project.state_dir))


def assert_same() -> None:
    ours, theirs = both()
    assert ours == theirs
    assert places.user_config_dir() == str(paths.user_config_dir())
    assert places.user_data_dir() == str(paths.user_data_dir())


def test_the_nearest_file_upward(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mlx.yaml").write_text("version: 1\n")
    inner = Path("a/b").absolute()
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert_same()
    assert places.find()[0] == str(home / "work" / "mlx.yaml")
    assert places.find()[1] == str(home / "work" / ".mlx")


def test_the_users_own_where_there_is_none(home: Path) -> None:
    assert_same()
    assert places.find()[0] == str(home / ".config/mlx/mlx.yaml")


@pytest.mark.parametrize(
    "environment",
    [
        {"XDG_CONFIG_HOME": "/tmp/elsewhere", "XDG_DATA_HOME": "/tmp/data"},
        {"XDG_CONFIG_HOME": "relative", "XDG_DATA_HOME": "relative"},
        {"MLX_HOME": "/tmp/mine"},
        {"MLX_HOME": "mine"},
        {"MLX_HOME": "~/mine", "XDG_DATA_HOME": "/tmp/data"},
        {"MLX_CONFIG": "/tmp/x/other.yaml"},
        {"MLX_CONFIG": "other.yaml"},
        {"MLX_CONFIG": "~/other.yaml"},
        {"MLX_HOME": "/tmp/mine", "MLX_CONFIG": "/tmp/mine/mlx.yaml"},
    ],
    ids=str,
)
def test_the_variables_that_name_a_place(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("mlx.yaml").write_text("version: 1\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert_same()


def test_a_link_to_the_users_own_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = home / ".config/mlx/mlx.yaml"
    own.parent.mkdir(parents=True)
    target = home / "dotfiles.yaml"
    target.write_text("version: 1\n")
    own.symlink_to(target)
    monkeypatch.setenv("MLX_CONFIG", str(target))
    assert_same()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_another_user_planted_is_refused_by_both() -> None:
    Path("mlx.yaml").write_text("version: 1\n")
    os.chown("mlx.yaml", 1234, 1234)
    with pytest.raises(MlxError):
        paths.find_project()
    with pytest.raises(PermissionError):
        places.find()
