"""The help of a command, taken apart: what it does in a line, examples, and the rest."""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

from typer.core import TyperCommand

from .global_options import TakesGlobalOptions

_HEADINGS = ("Examples:", "Example:")


class HelpText(NamedTuple):  # not a dataclass: every command imports this, and making one costs a millisecond
    """The parts of a docstring; `examples` are command lines, `paragraphs` are what else there is to say."""

    summary: str
    examples: tuple[str, ...] = ()
    paragraphs: tuple[str, ...] = ()


def parts_of(text: str | None) -> HelpText:
    """Take a docstring apart: its first paragraph, the commands below `Examples:`, and the other paragraphs."""
    blocks = [block for block in inspect.cleandoc(text or "").split("\n\n") if block.strip()]
    summary = " ".join(blocks[0].split()) if blocks else ""
    examples: list[str] = []
    paragraphs: list[str] = []
    is_example = False
    for block in blocks[1:]:
        heading = next((word for word in _HEADINGS if block.startswith(word)), None)
        if heading:
            is_example, block = True, block[len(heading) :].lstrip("\n")
            if not block.strip():
                continue
        elif not block.startswith(" "):
            is_example = False
        if is_example:
            examples += _commands(block)
        else:
            paragraphs.append(block)
    return HelpText(summary, tuple(examples), tuple(paragraphs))


class Command(TakesGlobalOptions, TyperCommand):
    """A command whose help shows examples before anything else: most people read no further."""

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        write_help(self.help, formatter)


def write_help(text: str | None, formatter: Any) -> None:
    """Write a docstring as help: the summary, the examples, then the rest."""
    found = parts_of(text)
    with formatter.indentation():
        formatter.write_paragraph()
        formatter.write_text(found.summary)
    if found.examples:
        with formatter.section("Examples"):
            for line in found.examples:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
    for paragraph in found.paragraphs:
        with formatter.indentation():
            formatter.write_paragraph()
            formatter.write_text(paragraph)


def _commands(block: str) -> list[str]:
    """Return the lines of an example, a line that goes on joined with the next one."""
    lines: list[str] = []
    for line in inspect.cleandoc(block).splitlines():
        if lines and lines[-1].endswith("\\"):
            lines[-1] += "\n      " + line.strip()
        elif line.strip():
            lines.append(line.strip())
    return lines
