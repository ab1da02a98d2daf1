"""Everything that can be typed says what it is for."""

from __future__ import annotations

from mlxkit.reference.tree import command_tree


def test_every_command_has_help() -> None:
    for command in command_tree().walk():
        assert command.summary.strip(), f"{command.name} has no help"


def test_every_option_and_argument_has_help() -> None:
    silent = [
        f"{command.name}: {' '.join(item.spellings) if hasattr(item, 'spellings') else item.metavar}"
        for command in command_tree().walk()
        for item in (*command.options, *command.arguments)
        if not item.help
    ]
    assert not silent, "\n".join(silent)


def test_every_reading_option_offers_its_choices() -> None:
    for command in command_tree().walk():
        for option in command.options:
            if "--output" in option.spellings and option.metavar:
                assert option.value == "choice:table json yaml name" or option.value == "file", command.name


def test_what_names_stand_for_is_known() -> None:
    """The names that a TAB has to offer, by the place where they are typed."""
    tree = {command.name: command for command in command_tree().walk()}

    def option(command: str, spelling: str) -> str:
        return next(item.value for item in tree[command].options if spelling in item.spellings)

    def argument(command: str, at: int = 0) -> str:
        return tree[command].arguments[at].value

    assert option("mlx run", "--stack") == "stack"
    assert option("mlx run", "--tracker") == "component:experiment_tracker"
    assert option("mlx run", "--config") == "file"
    assert option("mlx stack register", "-e") == "component:experiment_tracker"
    assert option("mlx stack register", "-r") == "component:model_registry"
    assert option("mlx tracker register", "--flavor") == "flavor:experiment_tracker"
    assert option("mlx model register", "--run") == "run"
    assert argument("mlx run") == "pipeline_file"
    assert argument("mlx stack set") == "stack"
    assert argument("mlx stack register") == ""
    assert argument("mlx tracker describe") == "component:experiment_tracker"
    assert argument("mlx secret get") == "secret"
    assert argument("mlx secret get", 1) == "secret_key"
    assert argument("mlx runs describe") == "run"
    assert argument("mlx pipeline describe") == "pipeline"
    assert argument("mlx model describe") == "model_version"
    assert argument("mlx model versions") == "model"
    assert argument("mlx deployment stop") == "deployment"
    assert argument("mlx model predict") == "deployment"
    assert argument("mlx stack import") == "file"
