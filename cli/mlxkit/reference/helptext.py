"""The help of a command as blocks of a page."""

from __future__ import annotations

import textwrap

from ..commands.helptext import parts_of
from .pages import Block, Code, Text


def described(help: str) -> list[Block]:
    """Return the paragraphs of a help text, the first line included, the examples left out; indented ones are code."""
    found = parts_of(help)
    return [_block(paragraph) for paragraph in (found.summary, *found.paragraphs) if paragraph]


def examples(help: str) -> list[str]:
    """Return the commands of a help text's examples."""
    return [line for command in parts_of(help).examples for line in command.splitlines()]


def _block(paragraph: str) -> Block:
    lines = paragraph.splitlines()
    if all(line.startswith("  ") for line in lines):
        return Code(tuple(textwrap.dedent(paragraph).splitlines()))
    return Text(" ".join(line.strip() for line in lines))
