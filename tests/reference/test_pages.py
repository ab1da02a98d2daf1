"""The manual pages: well formed, complete, and true about what the code says elsewhere."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

import mlxkit
from mlxkit.errors import ExitCode
from mlxkit.reference.facts import ENVIRONMENT, EXIT_STATUS, INTERNAL
from mlxkit.reference.helptext import described, examples
from mlxkit.reference.manual import manual
from mlxkit.reference.pages import Code, Page, Section, Term, Text
from mlxkit.reference.plain import plain
from mlxkit.reference.records import CommandEntry
from mlxkit.reference.roff import roff
from mlxkit.reference.tree import command_tree
from mlxkit.stacks.flavors import built_in


@cache
def tree() -> CommandEntry:
    return command_tree()


@cache
def pages() -> dict[str, Page]:
    return {page.file: page for page in manual(tree(), built_in())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("man")
    for name, page in pages().items():
        (made / name).write_text(roff(page))
    return made


def test_every_group_has_a_page_that_describes_its_commands() -> None:
    shared = plain(pages()["mlx-component.1"])
    for group in tree().visible:
        text = plain(pages()[f"mlx-{group.path[0]}.1"])
        for command in group.visible:
            assert command.name in text, f"{command.name} is in no page"
            both = text + shared
            for option in command.options:
                for spelling in option.spellings:
                    assert spelling in both, f"{command.name} {spelling} is in no page"
    assert {"mlx.1", "mlx-component.1", "mlx.yaml.5"} <= set(pages())


def test_hidden_commands_have_no_page() -> None:
    assert "mlx-integration.1" not in pages()
    assert "secrets-manager" not in plain(pages()["mlx.1"])


def test_pages_pass_the_lint_without_a_line(folder: Path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    done = subprocess.run(
        ["mandoc", "-Tlint", *sorted(pages())], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_the_lint_sees_a_planted_fault(folder: Path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    (folder / "bad.1").write_text((folder / "mlx.1").read_text().replace(".SH SYNOPSIS", ".SX SYNOPSIS"))
    done = subprocess.run(
        ["mandoc", "-Tlint", "bad.1"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "SX" in done.stdout + done.stderr


def test_what_mandoc_shows_holds_what_was_written(folder: Path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("mandoc is not installed")
    shown = subprocess.run(
        ["mandoc", "-Tascii", "mlx.yaml.5"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
    shown = re.sub(r".\x08", "", shown)
    assert "tracking_password: <<mlflow_secret.password>>" in shown
    assert "'_', '.' and '-'" in shown


def test_every_exit_status_is_documented() -> None:
    assert set(EXIT_STATUS) == set(ExitCode)


def test_every_variable_that_is_read_is_documented() -> None:
    documented = " ".join(ENVIRONMENT)
    read = set()
    for path in Path(mlxkit.__file__).parent.rglob("*.py"):
        if "reference" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                read |= {node.value} if re.fullmatch(r"MLX_[A-Z_]+", node.value) else set()
    assert read - INTERNAL
    assert not [name for name in sorted(read - INTERNAL) if name not in documented]


def test_every_attribute_of_every_flavor_is_in_the_page_of_the_file() -> None:
    text = plain(pages()["mlx.yaml.5"])
    for flavor in built_in():
        for attribute in flavor.attributes:
            assert f"{attribute.name} (" in text


def test_the_example_in_the_page_of_the_file_is_a_valid_one() -> None:
    from mlxkit.config.document import parse_config
    from mlxkit.config.paths import project_at

    example = next(
        block
        for section in pages()["mlx.yaml.5"].sections
        if section.title == "EXAMPLES"
        for block in section.blocks
    )
    assert isinstance(example, Code)
    config = parse_config("\n".join(example.lines).encode(), project_at(Path("mlx.yaml")))
    assert list(config.stacks) == ["local", "team"]


def test_plain_text_fits_a_narrow_terminal() -> None:
    for page in pages().values():
        for section in page.sections:
            for block in section.blocks:
                if isinstance(block, Text):
                    shown = plain(Page("x", 1, "x", (Section("X", (block,)),))).splitlines()
                    assert all(len(line) <= 80 or " " not in line.strip() for line in shown), shown


def test_text_that_looks_like_a_command_of_the_language_stays_text() -> None:
    source = roff(
        Page("x", 1, "x", (Section("X", (Text(".SH of a `--flag` and 'quotes'"), Code((".x", "\\y")))),))
    )
    assert "\\&.SH of a \\fB\\-\\-flag\\fR" in source
    assert "\n\\&.x\n\\ey\n" in source


def test_a_term_without_text_has_a_body() -> None:
    assert ".TP\n\\fBa\\fR\n\\&\n" in roff(Page("x", 1, "x", (Section("X", (Term("a", ""),)),)))


HELP = """Do it.

More
about it.

  mlx indented

Examples:

  mlx one

  mlx two

Afterwards."""


def test_a_help_text_is_taken_apart() -> None:
    assert described(HELP) == [
        Text("Do it."),
        Text("More about it."),
        Code(("mlx indented",)),
        Text("Afterwards."),
    ]
    assert examples(HELP) == ["mlx one", "mlx two"]
    assert examples("Do it.\n\nExample: mlx three") == ["mlx three"]
