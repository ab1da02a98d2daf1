"""The help of a command, taken apart: paragraphs and examples."""

from __future__ import annotations

import textwrap

from .pages import Block, Code, Text

_MARKS = ("Example:", "Examples:")


def described(help: str) -> list[Block]:
    """Return the paragraphs of a help text, the first line included, the examples left out."""
    found: list[Block] = []
    is_example = False
    for block in _blocks(help):
        if isinstance(block, Text) and block.text in _MARKS:
            is_example = True
        elif isinstance(block, Code) and is_example:
            continue
        else:
            is_example = False
            found.append(block)
    return found


def examples(help: str) -> list[str]:
    """Return the commands of a help text's examples."""
    found: list[str] = []
    is_example = False
    for block in _blocks(help):
        if isinstance(block, Text) and block.text in _MARKS:
            is_example = True
        elif isinstance(block, Code) and is_example:
            found += block.lines
        else:
            is_example = False
    return found


def _blocks(help: str) -> list[Block]:
    """Return the paragraphs; indented ones are code, and `Example: words` is its mark with code behind."""
    found: list[Block] = []
    for paragraph in help.split("\n\n"):
        lines = [line for line in paragraph.splitlines() if line.strip()]
        if not lines:
            continue
        if lines[0].strip() in _MARKS:
            found.append(Text(lines[0].strip()))
            lines = lines[1:]
        elif lines[0].startswith("Example: "):
            found += [Text("Example:"), Code((" ".join(lines).removeprefix("Example: "),))]
            continue
        if lines and all(line.startswith("  ") for line in lines):
            found.append(Code(tuple(textwrap.dedent("\n".join(lines)).splitlines())))
        elif lines:
            found.append(Text(" ".join(line.strip() for line in lines)))
    return found
