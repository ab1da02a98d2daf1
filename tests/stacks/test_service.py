"""Stacks: choosing, changing, resolving."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.errors import (
    AlreadyExistsError,
    ConfigError,
    CredentialsError,
    InUseError,
    MlxError,
    NotFoundError,
)
from mlxkit.secrets.service import SecretService
from mlxkit.stacks.service import StackService

TEXT = """\
version: 1   # the format
default_stack: team
experiment_trackers:
  team:
    flavor: mlflow
    tracking_uri: https://mlflow.example.com
    tracking_token: <<team.token>>
stacks:
  team: {experiment_tracker: team}
  bare: {}
"""


@pytest.fixture
def project(write: Callable[[str], Path]) -> Path:
    return write(TEXT)


def test_without_any_configuration_there_is_a_stack_that_works(home: Path) -> None:
    stacks = StackService()
    record, source = stacks.active()
    assert (record.name, source) == ("default", "implicit")
    assert [stack.name for stack in stacks.list()] == ["default"]
    resolved = stacks.resolved(None, SecretService())
    assert {kind: (made.name, made.flavor) for kind, made in resolved.components.items()} == {
        "experiment_tracker": ("default", "mlflow"),
        "artifact_store": ("default", "local"),
        "orchestrator": ("default", "local"),
        "model_registry": ("default", "mlflow"),
        "model_deployer": ("default", "mlflow"),
    }
    assert not list(home.rglob("mlx.yaml"))


def test_a_stack_that_names_no_store_and_no_orchestrator_has_the_local_ones(project: Path) -> None:
    assert StackService().get("bare").components == {"artifact_store": "default", "orchestrator": "default"}


def test_registering_adds_one_line(project: Path) -> None:
    StackService().register("new", {"experiment_tracker": "team", "orchestrator": "local"})
    assert project.read_text() == TEXT + "  new: {experiment_tracker: team, orchestrator: local}\n"


def test_a_component_that_does_not_exist_is_refused(project: Path) -> None:
    stacks = StackService()
    for change in (
        lambda: stacks.register("new", {"experiment_tracker": "taem"}),
        lambda: stacks.update("bare", {"experiment_tracker": "taem"}),
    ):
        with pytest.raises(
            NotFoundError, match=r"no experiment tracker named 'taem' \(did you mean 'team'\?\)"
        ):
            change()
    assert project.read_text() == TEXT


def test_a_name_that_is_taken_is_refused(project: Path) -> None:
    stacks = StackService()
    for change in (
        lambda: stacks.register("team", {}),
        lambda: stacks.rename("bare", "team"),
        lambda: stacks.copy("bare", "team"),
    ):
        with pytest.raises(AlreadyExistsError, match="stack 'team' already exists"):
            change()
    assert project.read_text() == TEXT


def test_setting_a_stack_leaves_the_shared_file_alone(project: Path) -> None:
    stacks = StackService()
    stacks.set_active("bare")
    assert (stacks.active()[0].name, stacks.active()[1]) == ("bare", ".mlx")
    assert [stack.name for stack in stacks.list() if stack.is_active] == ["bare"]
    assert project.read_text() == TEXT


def test_setting_a_stack_that_does_not_exist_changes_nothing(project: Path) -> None:
    stacks = StackService()
    with pytest.raises(NotFoundError, match=r"no stack named 'taem' \(did you mean 'team'\?\)"):
        stacks.set_active("taem")
    assert stacks.active()[1] == "default_stack"


def test_the_default_for_everybody_is_written_where_it_stands(
    project: Path, write: Callable[[str], Path]
) -> None:
    StackService().set_default("bare")
    assert project.read_text() == TEXT.replace("default_stack: team", "default_stack: bare")
    write(TEXT.replace("default_stack: team\n", ""))
    StackService().set_default("bare")
    assert project.read_text() == TEXT.replace("default_stack: team", "default_stack: bare")


def test_an_active_stack_that_is_gone_is_an_error_and_the_others_are_still_listed(
    project: Path, write: Callable[[str], Path]
) -> None:
    stacks = StackService()
    stacks.set_active("bare")
    write(TEXT.replace("  bare: {}\n", ""))
    with pytest.raises(ConfigError, match="the active stack 'bare'"):
        stacks.resolved(None, SecretService())
    assert [(stack.name, stack.is_active) for stack in stacks.list()] == [("team", False), ("default", False)]
    assert "the active stack 'bare'" in str(stacks.active_problem())


def test_renaming_follows_into_the_default_and_the_choice(project: Path) -> None:
    stacks = StackService()
    stacks.set_active("team")
    stacks.rename("team", "crew")
    assert project.read_text() == TEXT.replace("default_stack: team", "default_stack: crew").replace(
        "  team: {", "  crew: {"
    )
    assert stacks.choice().to_dict() == {"schema_version": 1, "name": "crew", "source": ".mlx"}


def test_a_copy_of_what_is_built_in_can_be_changed(project: Path) -> None:
    stacks = StackService()
    stacks.copy("default", "mine")
    stacks.update("mine", {"experiment_tracker": "team"}, remove=["model_deployer"])
    assert stacks.get("mine").components["experiment_tracker"] == "team"
    assert "model_deployer" not in stacks.get("mine").components
    for change in (
        lambda: stacks.rename("default", "x"),
        lambda: stacks.delete("default"),
        lambda: stacks.update("default", {}),
    ):
        with pytest.raises(MlxError, match="stack 'default' is built in and cannot be changed"):
            change()


def test_taking_out_a_kind_that_is_not_named_is_said(project: Path) -> None:
    with pytest.raises(NotFoundError, match="stack 'bare' names no model registry"):
        StackService().update("bare", {}, remove=["model_registry"])


def test_the_active_stack_and_the_default_are_not_deleted_by_accident(project: Path) -> None:
    stacks = StackService()
    with pytest.raises(InUseError, match="stack 'team' is the active one"):
        stacks.delete("team")
    stacks.set_active("bare")
    with pytest.raises(InUseError, match=r"stack 'team' is the default_stack of mlx.yaml"):
        stacks.delete("team")
    with pytest.raises(InUseError, match="stack 'bare' is the active one"):
        stacks.delete("bare")
    assert project.read_text() == TEXT


def test_with_force_what_pointed_to_the_stack_goes_too(project: Path) -> None:
    stacks = StackService()
    stacks.set_active("team")
    stacks.delete("team", force=True)
    assert project.read_text() == TEXT.replace("default_stack: team\n", "").replace(
        "  team: {experiment_tracker: team}\n", ""
    )
    assert stacks.choice().source == "only stack"


def test_describing_shows_the_components_and_no_credential(write: Callable[[str], Path]) -> None:
    write(TEXT.replace("<<team.token>>", "hunter2"))
    detail = StackService().describe("team")
    assert detail.is_active
    assert detail.is_default
    assert detail.components["experiment_tracker"].attributes["tracking_token"] == "***"
    assert "hunter2" not in str(detail.to_dict())


def test_a_stack_is_resolved_with_its_secrets(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_SECRET_TEAM__TOKEN", "hunter2-token")
    resolved = StackService().resolved("team", SecretService())
    assert resolved.components["experiment_tracker"].attributes["tracking_token"].reveal() == "hunter2-token"


def test_another_component_can_take_the_place_of_the_stacks_own(project: Path) -> None:
    resolved = StackService().resolved("team", SecretService(), replace={"experiment_tracker": "default"})
    assert resolved.components["experiment_tracker"].name == "default"
    with pytest.raises(NotFoundError, match="no experiment tracker named 'taem'"):
        StackService().resolved("team", SecretService(), replace={"experiment_tracker": "taem"})


def test_a_missing_secret_stops_the_stack_that_needs_it_and_no_other(project: Path) -> None:
    with pytest.raises(
        CredentialsError, match=r"experiment_trackers.team.tracking_token: no secret named 'team'"
    ):
        StackService().resolved("team", SecretService())
    assert StackService().resolved("bare", SecretService()).name == "bare"


def test_everything_that_is_wrong_with_a_stack_is_said_at_once(write: Callable[[str], Path]) -> None:
    write(
        "experiment_trackers:\n"
        "  t: {flavor: mlflow, tracking_uri: 'ftp://x', nestd: 1}\n"
        "artifact_stores:\n"
        "  s: {flavor: locl}\n"
        "model_registries:\n"
        "  r: {flavor: mlflow}\n"
        "stacks:\n"
        "  all: {experiment_tracker: t, artifact_store: s}\n"
        "  lone: {model_registry: r}\n"
    )  # fmt: skip
    stacks = StackService()
    problems = stacks.validate("all").problems
    assert len(problems) == 2
    assert problems[0].startswith("mlx.yaml:2: experiment_trackers.t.nestd: ")
    assert problems[1].startswith(
        "mlx.yaml:4: artifact_stores.s.flavor: unknown artifact store flavor 'locl'"
    )
    with pytest.raises(ConfigError) as caught:
        stacks.resolved("all", SecretService())
    assert caught.value.message == "\n".join(problems)
    assert stacks.validate("lone").problems == (
        "mlx.yaml:9: stacks.lone: model registry 'r' works through an MLflow tracker, and the stack has none",
    )


def test_validation_warns_of_secrets_that_are_not_there_yet(project: Path) -> None:
    found = StackService().validate("team")
    assert found.problems == ()
    assert found.warnings == (
        "experiment_trackers.team: no secret named 'team' yet: mlx secret create team --token",
    )
