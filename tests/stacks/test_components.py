"""Components: what is checked before it is stored, and what follows a change elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.errors import AlreadyExistsError, ConfigError, InUseError, MlxError, NotFoundError, UsageError
from mlxkit.secrets.service import SecretService
from mlxkit.stacks.attributes import InvalidAttributeError
from mlxkit.stacks.service import ComponentService

TRACKER = "experiment_tracker"
TEXT = """\
version: 1
default_stack: a
experiment_trackers:
  # the server
  team: {flavor: mlflow, tracking_uri: "https://mlflow.example.com", tracking_token: <<team.token>>}
  mine: {flavor: mlflow}
stacks:
  a: {experiment_tracker: team}
  b: {experiment_tracker: team, orchestrator: local}
  c: {experiment_tracker: mine}
"""


@pytest.fixture
def project(write: Callable[[str], Path]) -> Path:
    return write(TEXT)


def test_registering_stores_what_was_checked(components: ComponentService, path: Path) -> None:
    change = components.register(
        TRACKER, "team", "mlflow",
        {"tracking_uri": "https://x.example.com", "tracking_token": "{{ team.token }}", "nested": "yes", "tags": '{"a": "b"}'},
    )  # fmt: skip
    assert change.component.attributes["tracking_token"] == "<<team.token>>"
    assert path.read_text() == (
        "version: 1\nexperiment_trackers:\n  team:\n    flavor: mlflow\n    tracking_uri: https://x.example.com\n"
        "    tracking_token: <<team.token>>\n    nested: true\n    tags:\n      a: b\n"
    )


def test_a_secret_that_does_not_exist_yet_is_a_warning_with_the_command(components: ComponentService) -> None:
    change = components.register(
        TRACKER, "team", "mlflow",
        {"tracking_uri": "https://x.example.com", "tracking_username": "<<team.user>>", "tracking_password": "<<team.pw>>"},
    )  # fmt: skip
    assert change.warnings == ("no secret named 'team' yet: mlx secret create team --user --pw",)


def test_a_key_that_does_not_exist_yet_is_a_warning(
    components: ComponentService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_TEAM__TOKEN", "hunter2")
    change = components.register(
        TRACKER, "team", "mlflow", {"tracking_uri": "https://x.io", "tracking_token": "<<team.tokn>>"}
    )
    assert change.warnings == (
        "secret 'team' has no key 'tokn' yet (did you mean 'token'?): mlx secret update team --tokn",
    )
    assert not components.update(TRACKER, "team", {"tracking_token": "<<team.token>>"}).warnings


def test_a_plain_credential_works_with_the_two_commands_that_fix_it(
    components: ComponentService, path: Path
) -> None:
    change = components.register(
        TRACKER, "team", "mlflow",
        {"tracking_uri": "https://x.example.com", "tracking_username": "me", "tracking_password": "hunter2"},
    )  # fmt: skip
    assert change.warnings == (
        "tracking_username and tracking_password are stored as plain text in mlx.yaml; to keep them in the keyring:\n"
        "  mlx secret create team_secret --username --password\n"
        '  mlx tracker update team --tracking_username="<<team_secret.username>>" '
        '--tracking_password="<<team_secret.password>>"',
    )
    assert "tracking_password: hunter2" in path.read_text()
    for shown in (change, components.get(TRACKER, "team"), components.list(TRACKER)):
        assert "hunter2" not in repr(shown)
    assert components.get(TRACKER, "team").attributes["tracking_password"] == "***"
    assert (
        components.resolved(TRACKER, "team", SecretService()).attributes["tracking_password"].reveal()
        == "hunter2"
    )


@pytest.mark.parametrize("name", ["two words", "../up", "", "-x", "a" * 101])
def test_a_strange_name_is_refused(components: ComponentService, path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="experiment tracker name"):
        components.register(TRACKER, name, "mlflow", {})
    assert path.read_text() == "version: 1\n"


def test_a_wrong_attribute_leaves_the_file_alone(components: ComponentService, path: Path) -> None:
    with pytest.raises(InvalidAttributeError, match="did you mean 'tracking_uri'"):
        components.register(TRACKER, "team", "mlflow", {"traking_uri": "x"})
    with pytest.raises(NotFoundError, match="unknown experiment tracker flavor 'mlfow'"):
        components.register(TRACKER, "team", "mlfow", {})
    assert path.read_text() == "version: 1\n"


def test_a_name_that_is_taken_is_refused(project: Path) -> None:
    with pytest.raises(AlreadyExistsError, match="experiment tracker 'team' already exists") as caught:
        ComponentService().register(TRACKER, "team", "mlflow", {})
    assert caught.value.hint == "mlx tracker update team --ATTRIBUTE=VALUE"
    assert project.read_text() == TEXT


def test_the_same_name_may_be_used_for_another_kind(project: Path) -> None:
    ComponentService().register("artifact_store", "team", "local", {"path": "artifacts"})
    assert project.read_text() == TEXT + "artifact_stores:\n  team:\n    flavor: local\n    path: artifacts\n"


def test_updating_changes_only_what_was_named(project: Path) -> None:
    ComponentService().update(TRACKER, "team", {"tracking_token": "{{other.token}}", "nested": "true"})
    assert project.read_text() == TEXT.replace("<<team.token>>", "<<other.token>>, nested: true")


def test_removing_an_attribute_checks_the_component_as_a_whole(project: Path) -> None:
    components = ComponentService()
    with pytest.raises(InvalidAttributeError, match="a remote server needs credentials"):
        components.update(TRACKER, "team", {}, remove=["tracking_token"])
    assert project.read_text() == TEXT
    components.update(TRACKER, "team", {"anonymous": True}, remove=["tracking_token"])
    assert project.read_text() == TEXT.replace("tracking_token: <<team.token>>", "anonymous: true")


def test_removing_what_is_not_there_is_said(project: Path) -> None:
    with pytest.raises(
        NotFoundError, match=r"has no attribute 'tracking_tokn' \(did you mean 'tracking_token'\?\)"
    ):
        ComponentService().update(TRACKER, "team", {}, remove=["tracking_tokn"])
    assert project.read_text() == TEXT


def test_a_misspelt_name_is_answered(project: Path) -> None:
    with pytest.raises(
        NotFoundError, match=r"no experiment tracker named 'taem' \(did you mean 'team'\?\)"
    ) as caught:
        ComponentService().get(TRACKER, "taem")
    assert caught.value.hint == "mlx tracker list"


def test_renaming_follows_into_every_stack(project: Path) -> None:
    record = ComponentService().rename(TRACKER, "team", "crew")
    assert record.stacks == ("a", "b")
    expected = TEXT.replace("  team: {", "  crew: {").replace(
        "experiment_tracker: team", "experiment_tracker: crew"
    )
    assert project.read_text() == expected


def test_renaming_to_a_name_that_is_taken_is_refused(project: Path) -> None:
    with pytest.raises(AlreadyExistsError, match="experiment tracker 'mine' already exists"):
        ComponentService().rename(TRACKER, "team", "mine")
    assert project.read_text() == TEXT


def test_a_copy_is_the_same_under_another_name(project: Path) -> None:
    components = ComponentService()
    copy = components.copy(TRACKER, "team", "twin")
    assert copy.attributes == components.get(TRACKER, "team").attributes
    assert copy.stacks == ()


def test_a_component_in_use_is_not_deleted_and_the_stacks_are_named(project: Path) -> None:
    with pytest.raises(InUseError, match=r"experiment tracker 'team' is used by stacks 'a', 'b'"):
        ComponentService().delete(TRACKER, "team")
    assert project.read_text() == TEXT


def test_with_force_it_is_taken_out_of_the_stacks(project: Path) -> None:
    assert ComponentService().delete(TRACKER, "team", force=True) == ("a", "b")
    text = project.read_text()
    assert "team" not in text
    assert "  # the server\n" in text
    assert "  a: {}\n  b: {orchestrator: local}\n  c: {experiment_tracker: mine}\n" in text


def test_what_is_built_in_is_listed_and_cannot_be_changed(components: ComponentService, path: Path) -> None:
    assert [(record.name, record.flavor, record.stacks) for record in components.list(TRACKER)] == [
        ("default", "mlflow", ("default",))
    ]
    for change in (
        lambda: components.delete(TRACKER, "default"),
        lambda: components.rename(TRACKER, "default", "x"),
        lambda: components.update(TRACKER, "default", {"nested": True}),
    ):
        with pytest.raises(MlxError, match="experiment tracker 'default' is built in and cannot be changed"):
            change()
    assert path.read_text() == "version: 1\n"


def test_what_is_built_in_can_be_replaced_by_ones_own(components: ComponentService) -> None:
    components.register(TRACKER, "default", "mlflow", {"experiment_name": "mine"})
    assert [record.attributes for record in components.list(TRACKER)] == [{"experiment_name": "mine"}]


def test_a_flavor_that_is_not_installed_is_shown_masked_and_named_with_its_line_when_used(
    write: Callable[[str], Path],
) -> None:
    write("experiment_trackers:\n  odd: {flavor: wandbb, api_key: hunter2, region: eu}\n")
    components = ComponentService()
    assert components.get(TRACKER, "odd").attributes == {"api_key": "***", "region": "eu"}
    with pytest.raises(
        ConfigError,
        match=r"^mlx.yaml:2: experiment_trackers.odd.flavor: unknown experiment tracker flavor 'wandbb'",
    ):
        components.resolved(TRACKER, "odd", SecretService())


def test_a_wrong_attribute_in_the_file_is_named_with_its_line_when_used(write: Callable[[str], Path]) -> None:
    write("experiment_trackers:\n  team:\n    flavor: mlflow\n    tracking_ur: https://x.io\n")
    components = ComponentService()
    with pytest.raises(
        ConfigError, match=r"^mlx.yaml:4: experiment_trackers.team.tracking_ur: .*did you mean 'tracking_uri'"
    ):
        components.resolved(TRACKER, "team", SecretService())


OWN_DEFAULT = """\
version: 1
artifact_stores:
  default: {flavor: local, path: /data}
stacks:
  bare:
  named: {artifact_store: default}
  other: {artifact_store: local}
"""
STORE = "artifact_store"


def test_a_component_that_stacks_use_without_naming_it_is_in_use(write: Callable[[str], Path]) -> None:
    path = write(OWN_DEFAULT)
    with pytest.raises(InUseError, match="is used by stacks 'bare', 'named'"):
        ComponentService().delete(STORE, "default")
    assert path.read_text() == OWN_DEFAULT
    assert ComponentService().delete(STORE, "default", force=True) == ("named",)
    assert ComponentService().get(STORE, "default").attributes == {}


def test_renaming_is_followed_by_stacks_that_do_not_name_the_component(write: Callable[[str], Path]) -> None:
    write(OWN_DEFAULT)
    assert ComponentService().rename(STORE, "default", "shared").stacks == ("bare", "named")


def test_what_the_implicit_stack_alone_uses_is_neither_deleted_nor_renamed(
    write: Callable[[str], Path],
) -> None:
    text = "version: 1\nartifact_stores:\n  default: {flavor: local, path: /data}\n"
    path = write(text)
    for change in (
        lambda: ComponentService().delete(STORE, "default"),
        lambda: ComponentService().rename(STORE, "default", "shared"),
    ):
        with pytest.raises(InUseError, match="'default'"):
            change()
    assert path.read_text() == text
    assert ComponentService().delete(STORE, "default", force=True) == ()


@pytest.mark.parametrize("tags", ['{"a": [1]}', '{"a": {"b": 1}}', '{"a": null}'])
def test_a_map_of_anything_but_plain_values_is_refused_for_its_values(
    components: ComponentService, tags: str
) -> None:
    with pytest.raises(InvalidAttributeError, match="tags: the values in it have to be text, numbers, true"):
        components.register(TRACKER, "t", "mlflow", {"tags": tags})
