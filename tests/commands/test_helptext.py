"""Help with the examples first."""

from __future__ import annotations

from mlxkit.commands.helptext import parts_of


def test_a_docstring_is_taken_apart() -> None:
    found = parts_of("""Do it.

    Only on Tuesdays,
    and then twice.

    Examples:

      mlx it

      mlx it --twice \\
        --loud

    More of it.
    """)
    assert found.summary == "Do it."
    assert found.examples == ("mlx it", "mlx it --twice \\\n      --loud")
    assert found.paragraphs == ("Only on Tuesdays,\nand then twice.", "More of it.")


def test_an_example_in_one_line_is_one() -> None:
    found = parts_of("Do it.\n\nExample: mlx it\n\nMore.")
    assert (found.examples, found.paragraphs) == (("mlx it",), ("More.",))


def test_nothing_is_nothing() -> None:
    assert parts_of(None).summary == ""


def test_help_shows_examples_before_the_rest(mlx) -> None:
    said = mlx("run", "--help").stdout
    assert said.index("Examples:") < said.index("An unknown option") < said.index("Options:")
    assert "  mlx run train.py\n" in said
