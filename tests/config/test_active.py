"""Which stack is active: the order of those who may say so, and no silent second best."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlxkit.config.active import ActiveStack, choose_stack, clear_active, set_active
from mlxkit.config.document import read_config
from mlxkit.config.paths import Project, find_project
from mlxkit.errors import ConfigError, MlxError, NotFoundError


def project(text: str) -> Project:
    Path("mlx.yaml").write_text(text)
    return find_project()


def chosen(project: Project, override: str | None = None) -> ActiveStack:
    return choose_stack(project, read_config(project), override)


def test_each_one_wins_over_those_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    here = project("stacks: {one: {}}\n")
    assert chosen(here) == ActiveStack("one", "only stack")
    here = project("default_stack: two\nstacks: {one: {}, two: {}, three: {}, four: {}}\n")
    assert chosen(here) == ActiveStack("two", "default_stack")
    set_active(here, "three")
    assert chosen(here) == ActiveStack("three", ".mlx")
    monkeypatch.setenv("MLX_STACK", "four")
    assert chosen(here) == ActiveStack("four", "MLX_STACK")
    assert chosen(here, "one") == ActiveStack("one", "--stack")
    monkeypatch.setenv("MLX_STACK", "")
    clear_active(here)
    assert chosen(here) == ActiveStack("two", "default_stack")


def test_nothing_configured_is_the_implicit_stack() -> None:
    assert chosen(find_project()) == ActiveStack("default", "implicit")


def test_two_stacks_and_no_choice_is_an_error_that_names_them() -> None:
    with pytest.raises(ConfigError, match="no stack is active; there are one, two") as caught:
        chosen(project("stacks: {one: {}, two: {}}\n"))
    assert caught.value.hint == "mlx stack set one"


def test_a_chosen_stack_that_is_gone_is_an_error_and_stays_chosen() -> None:
    here = project("stacks: {team: {}, other: {}}\n")
    set_active(here, "team")
    here = project("stacks: {teams: {}}\n")
    with pytest.raises(
        ConfigError, match=r"the active stack 'team', .* is not in mlx.yaml \(did you mean 'teams'\?\)"
    ) as caught:
        chosen(here)
    assert caught.value.hint == "mlx stack set teams"
    assert (here.state_dir / "active_stack").read_text() == "team\n"


@pytest.mark.parametrize("variable", [None, "MLX_STACK"])
def test_a_misspelt_choice_is_an_error_with_the_right_name(
    variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = project("stacks: {team: {}}\n")
    if variable:
        monkeypatch.setenv(variable, "taem")
    with pytest.raises(NotFoundError, match=r"no stack named 'taem' \(did you mean 'team'\?\)"):
        chosen(here, None if variable else "taem")


@pytest.mark.parametrize("content", [b"", b"../../etc\n", b"\xff\xfe", b"a\nb\n", b"x" * 2_000_000])
def test_a_damaged_choice_is_an_error(content: bytes) -> None:
    here = project("stacks: {team: {}}\n")
    set_active(here, "team")
    (here.state_dir / "active_stack").write_bytes(content)
    with pytest.raises(MlxError, match="active_stack"):
        chosen(here)


def test_the_choice_is_private_state_of_the_checkout() -> None:
    here = project("stacks: {team: {}}\n")
    set_active(here, "team")
    assert (here.state_dir / "active_stack").stat().st_mode & 0o777 == 0o600
    assert "team" not in (here.state_dir / ".gitignore").read_text()
    assert Path("mlx.yaml").read_text() == "stacks: {team: {}}\n"
