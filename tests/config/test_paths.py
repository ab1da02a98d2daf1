"""Where the configuration and the state are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlxkit.config.paths import (
    Project,
    ensure_state_dir,
    find_project,
    lock_path,
    project_at,
    user_config_dir,
    user_data_dir,
)
from mlxkit.errors import ConfigError


def test_the_nearest_file_upward_is_the_project(home: Path) -> None:
    top, inner = home / "top", home / "top" / "a" / "b"
    inner.mkdir(parents=True)
    (top / "mlx.yaml").touch()
    assert find_project(inner) == Project(top / "mlx.yaml", top / ".mlx", "project")
    (top / "a" / "mlx.yaml").touch()
    assert find_project(inner).config_path == top / "a" / "mlx.yaml"


def test_without_a_file_the_users_own_is_used(home: Path) -> None:
    project = find_project()
    assert project.config_path == home / ".config/mlx/mlx.yaml"
    assert project.state_dir == home / ".local/share/mlx"
    assert project.origin == "user"


def test_the_environment_names_another_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("mlx.yaml").touch()
    monkeypatch.setenv("MLX_CONFIG", "~/elsewhere/team.yaml")
    assert find_project() == Project(home / "elsewhere/team.yaml", home / "elsewhere/.mlx", "MLX_CONFIG")


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_CONFIG", "")
    monkeypatch.setenv("MLX_HOME", "")
    assert find_project().origin == "user"


def test_one_variable_moves_everything_of_the_user(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "ignored"))
    monkeypatch.setenv("MLX_HOME", str(home / "m"))
    assert (user_config_dir(), user_data_dir()) == (home / "m", home / "m/data")


def test_the_xdg_variables_are_followed_and_a_relative_one_is_not(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "c"))
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert (user_config_dir(), user_data_dir()) == (home / "c/mlx", home / ".local/share/mlx")


def test_the_users_own_file_keeps_its_state_in_the_data_folder_however_it_is_reached(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_CONFIG", str(home / ".config/mlx/mlx.yaml"))
    assert find_project().state_dir == home / ".local/share/mlx"


def test_the_state_folder_is_private_and_ignored_by_git() -> None:
    Path("mlx.yaml").touch()
    state = ensure_state_dir(find_project())
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / ".gitignore").read_text() == "*\n"


def test_every_link_to_a_file_is_locked_in_one_place(home: Path) -> None:
    real, linked = home / "real", home / "linked"
    real.mkdir()
    linked.mkdir()
    (real / "mlx.yaml").touch()
    (linked / "mlx.yaml").symlink_to(real / "mlx.yaml")
    assert lock_path(project_at(linked / "mlx.yaml")) == lock_path(project_at(real / "mlx.yaml"))
    assert not list(linked.glob(".mlx"))


def test_a_file_in_the_working_directory_is_shown_by_its_name(home: Path) -> None:
    Path("mlx.yaml").touch()
    assert find_project().shown == "mlx.yaml"
    assert project_at(home / "mlx.yaml").shown == str(home / "mlx.yaml")


NOBODY = 54321


@pytest.fixture
def foreign(home: Path) -> Path:
    """A configuration in a shared folder that another user has written."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    path = home / "mlx.yaml"
    path.touch()
    os.chown(path, NOBODY, -1)
    return path


def test_a_file_of_another_user_that_is_come_upon_is_refused(foreign: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        find_project()
    assert f"{foreign} belongs to user {NOBODY}" in caught.value.message
    assert f"MLX_CONFIG={foreign}" in str(caught.value.hint)


def test_a_link_of_another_user_is_refused_whoever_owns_what_it_leads_to(foreign: Path) -> None:
    foreign.rename(foreign.with_name("other.yaml"))
    foreign.symlink_to("other.yaml")
    with pytest.raises(ConfigError, match="belongs to user 54321"):
        find_project()
    os.chown(foreign.with_name("other.yaml"), 0, -1)
    assert find_project().config_path == foreign
    os.chown(foreign, NOBODY, -1, follow_symlinks=False)
    with pytest.raises(ConfigError, match="belongs to user 54321"):
        find_project()


def test_a_file_of_another_user_that_is_named_is_trusted(
    foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_CONFIG", str(foreign))
    assert find_project().config_path == foreign


def test_a_file_of_root_is_trusted_by_everybody(foreign: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chown(foreign, 0, -1)
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    assert find_project().config_path == foreign


def test_a_nearer_file_of_ones_own_is_used_beside_one_of_another_user(foreign: Path) -> None:
    Path("mlx.yaml").touch()
    assert find_project().config_path == Path("mlx.yaml").absolute()
