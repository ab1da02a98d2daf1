"""Stacks from one project to another, without credentials."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.config.document import parse_config
from mlxkit.config.paths import find_project
from mlxkit.errors import AlreadyExistsError, ConfigError, UsageError
from mlxkit.stacks.service import StackService

TEXT = """\
version: 1
experiment_trackers:
  team: {flavor: mlflow, tracking_uri: "https://x.io", tracking_username: me, tracking_password: hunter2}
  clean: {flavor: mlflow, tracking_uri: "https://x.io", tracking_token: <<team.token>>, tags: {by: <<team.who>>}}
  other: {flavor: mlflow}
artifact_stores:
  lake: {flavor: local, path: lake}
stacks:
  plain: {experiment_tracker: team}
  clean: {experiment_tracker: clean, artifact_store: lake, orchestrator: local}
"""


@pytest.fixture
def exported(write: Callable[[str], Path]) -> Callable[[str], str]:
    write(TEXT)

    def export(name: str) -> str:
        return StackService().export(name).text

    return export


def test_an_export_is_a_configuration_with_just_that_stack(exported: Callable[[str], str]) -> None:
    text = exported("clean")
    assert text == (
        "# mlx stack clean; use it elsewhere with: mlx stack import FILE\n"
        "# It needs:\n"
        "#   mlx secret create team --token --who\n"
        "version: 1\n"
        "experiment_trackers:\n"
        "  clean:\n"
        "    flavor: mlflow\n"
        "    tracking_uri: https://x.io\n"
        "    tracking_token: <<team.token>>\n"
        "    tags:\n"
        "      by: <<team.who>>\n"
        "artifact_stores:\n"
        "  lake:\n"
        "    flavor: local\n"
        "    path: lake\n"
        "stacks:\n"
        "  clean:\n"
        "    experiment_tracker: clean\n"
        "    artifact_store: lake\n"
        "    orchestrator: local\n"
    )
    assert list(parse_config(text.encode(), find_project()).stacks) == ["clean"]


def test_a_plain_credential_does_not_leave_the_project(exported: Callable[[str], str]) -> None:
    found = StackService().export("plain")
    assert "hunter2" not in found.text
    assert "tracking_password: <<team_secret.password>>" in found.text
    assert "#   mlx secret create team_secret --username --password\n" in found.text
    assert len(found.warnings) == 2
    assert "tracking_password is plain text here and was not exported" in found.warnings[1]
    assert "hunter2" not in "".join(found.warnings)


def test_a_credential_inside_an_address_does_not_leave_the_project_unnoticed(
    write: Callable[[str], Path],
) -> None:
    write(
        "experiment_trackers:\n"
        "  db: {flavor: mlflow, tracking_uri: 'postgresql://u:pa@ss/hunter2@db/x', tags: {by: 'http://u:hunter2@h'}}\n"
        "stacks:\n  s: {experiment_tracker: db}\n"
    )
    found = StackService().export("s")
    assert "hunter2" not in found.text + "".join(found.warnings)
    assert "tracking_uri: <<db_secret.uri>>" in found.text
    assert "by: <<db_secret.tags.by>>" in found.text
    assert "#   mlx secret create db_secret --uri --tags.by\n" in found.text
    assert found.warnings == (
        "experiment tracker 'db': tracking_uri is plain text here and was not exported; it became <<db_secret.uri>>",
        "experiment tracker 'db': tags.by holds a credential here and was not exported; it became <<db_secret.tags.by>>",
    )


def test_a_stack_whose_flavor_is_not_installed_is_not_exported_since_nobody_knows_what_is_secret(
    write: Callable[[str], Path],
) -> None:
    write(
        "experiment_trackers:\n  odd: {flavor: odd, pin: hunter2}\nstacks:\n  s: {experiment_tracker: odd}\n"
    )
    with pytest.raises(ConfigError, match="experiment tracker 'odd' cannot be exported"):
        StackService().export("s")


def test_what_was_exported_can_be_imported_and_again_changes_nothing(
    exported: Callable[[str], str], write: Callable[[str], Path]
) -> None:
    text = exported("clean")
    path = write("# another project\nversion: 1\n")
    first = StackService().import_(text.encode(), "clean.yaml")
    assert first.added == ("experiment_trackers.clean", "artifact_stores.lake", "stacks.clean")
    assert first.warnings == ("no secret named 'team' yet: mlx secret create team --token --who",)
    written = path.read_text()
    assert written.startswith("# another project\n")
    again = StackService().import_(text.encode(), "clean.yaml")
    assert (again.added, len(again.unchanged)) == ((), 3)
    assert path.read_text() == written
    assert StackService().export("clean").text == text


def test_a_component_that_differs_is_not_replaced_unless_forced(
    exported: Callable[[str], str], write: Callable[[str], Path]
) -> None:
    text = exported("clean")
    mine = "experiment_trackers:\n  clean: {flavor: mlflow, tracking_uri: 'https://mine.io', tracking_token: <<me.t>>}\n"
    path = write(mine)
    with pytest.raises(AlreadyExistsError) as caught:
        StackService().import_(text.encode(), "clean.yaml")
    assert caught.value.message == (
        "already there, and different: experiment_trackers.clean (tags, tracking_token, tracking_uri)"
    )
    assert path.read_text() == mine
    StackService().import_(text.encode(), "clean.yaml", force=True)
    assert "mine.io" not in path.read_text()
    assert StackService().export("clean").text == text


def test_a_stack_can_be_imported_under_another_name(exported: Callable[[str], str]) -> None:
    StackService().import_(exported("clean").encode(), "clean.yaml", name="twin")
    assert StackService().get("twin").components == StackService().get("clean").components
    with pytest.raises(UsageError, match="cannot all be named 'x'"):
        StackService().import_(TEXT.encode(), "all.yaml", name="x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version: 1\n", "team.yaml holds no stack"),
        (
            "stacks: {a: {experiment_tracker: gone}}\n",
            "team.yaml:1: stacks.a.experiment_tracker: no tracker named 'gone'",
        ),
        (
            "experiment_trackers: {t: {flavor: mlflow, tracking_uri: 'ftp://x'}}\nstacks: {a: {experiment_tracker: t}}\n",
            "team.yaml:1: experiment_trackers.t.tracking_uri: unknown scheme 'ftp'",
        ),
        ("stacks: {'../x': {}}\n", "team.yaml:1: stacks.'../x': the name "),
        ("version: 7\n", "team.yaml:1: version: 7 is newer"),
        ("\t", "team.yaml:1: a tab"),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_changes_nothing(
    write: Callable[[str], Path], text: str, message: str
) -> None:
    path = write("version: 1\n")
    with pytest.raises(ConfigError) as caught:
        StackService().import_(text.encode(), "team.yaml")
    assert caught.value.message.startswith(message)
    assert path.read_text() == "version: 1\n"
