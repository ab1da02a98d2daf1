"""Everything that can be typed says what it is for."""

from __future__ import annotations

import re
import shlex

from mlxkit.reference.helptext import examples
from mlxkit.reference.manual import root_page
from mlxkit.reference.pages import Page
from mlxkit.reference.plain import plain
from mlxkit.reference.records import CommandEntry
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


def leaves() -> list[CommandEntry]:
    """Return every command that does something and that help shows."""
    found, waiting = [], command_tree().visible
    while waiting:
        command = waiting.pop()
        waiting += command.visible
        found += [command] if not command.children else []
    return found


def test_every_command_shows_an_example() -> None:
    without = [command.name for command in leaves() if not examples(command.help)]
    assert not without, f"no example: {', '.join(sorted(without))}"


def test_every_example_is_a_command_line_with_options_that_exist() -> None:
    root = command_tree()
    wrong = []
    for command in (root, *leaves()):
        lines = [line for line in examples(command.help) if not line.startswith(" ")]
        for call in (call for line in lines for call in _CALL.findall(line.rstrip("\\"))):
            called, options = root, {"-h", "--help"}
            for word in shlex.split(call, comments=True)[1:]:
                below = {child.path[-1]: child for child in called.children}
                if word in below:
                    called = below[word]
                    options |= {spelling for option in called.options for spelling in option.spellings}
                elif word == "--":
                    break
                elif called.name not in _ANY_OPTION and not called.attributes_of and word.startswith("-"):
                    wrong += [] if word.partition("=")[0] in options or word == "-" else [f"{call}: {word}"]
            wrong += [f"{call}: no command"] if called.children else []
        is_called = command is root or any(command.name in line for line in lines)
        wrong += [] if is_called else [f"{command.name} is not in its examples"]
    assert not wrong, "\n".join(wrong)


# What takes options of somebody else's choice.
_ANY_OPTION = ("mlx run", "mlx secret create", "mlx secret update")
_CALL = re.compile(r"""(?:^|(?<=\$\()|(?<=&& )|(?<=\| ))mlx (?:"[^"]*"|'[^']*'|[^|&)])*""")


def test_a_command_that_prints_text_of_its_own_form_says_so_in_the_manual() -> None:
    """Who reads with `-o json` everywhere has to learn where that is not possible, and what is instead."""
    habits = " ".join(plain(pages_of_root()).split())
    for command in ("runs logs", "deployment logs", "tracker logs", "tracker env", "runs tag"):
        assert command in habits.partition("have no --output")[0].rpartition("Those that")[2]
        entry = next(found for found in leaves() if found.name == f"mlx {command}")
        assert not any("--output" in option.spellings for option in entry.options)
        if command != "runs tag":
            assert "--output" in entry.help


def test_the_manual_says_where_the_global_options_may_stand() -> None:
    habits = " ".join(plain(pages_of_root()).replace("`", "").split())
    assert "may stand behind the command as well as before it" in habits
    for any_option in ("a parameter of run", "an attribute of register and update", "secret create"):
        assert any_option in habits


def pages_of_root() -> Page:
    return root_page(command_tree())
