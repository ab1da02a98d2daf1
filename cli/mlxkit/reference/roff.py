"""Pages as `man` reads them, in the macros of man(7)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from .._version import __version__
from .pages import Block, Code, Head, Page, Section, Term, Text

# The lint of manual pages demands a date. This is the edition's, written by hand; it is not when a page was made.
_EDITION = "2026-11-21"


def roff(page: Page) -> str:
    """Return the source of a page."""
    lines = [
        '.\\" Written by `python -m mlxkit.reference --write`; do not edit.',
        f'.TH {page.name.upper()} {page.number} {_EDITION} "mlx {__version__}" "mlx manual"',
        ".SH NAME",
        f"{_escaped(page.name)} \\- {_escaped(page.summary)}",
    ]
    for section in page.sections:
        lines += _section(section)
    return "\n".join(lines) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield f".SH {section.title}"
    is_first = True
    for block in section.blocks:
        yield from _block(block, is_first=is_first)
        is_first = isinstance(block, Head)


def _block(block: Block, *, is_first: bool) -> Iterator[str]:
    if isinstance(block, Head):
        yield f".SS {_escaped(block.title)}"
    elif isinstance(block, Term):
        yield ".TP"
        yield f"\\fB{_escaped(block.term)}\\fR"
        yield from _lines(block.text) if block.text else ["\\&"]
    elif isinstance(block, Text):
        if not is_first:
            yield ".PP"
        yield from _lines(block.text)
    elif isinstance(block, Code):
        if not is_first:
            yield ".PP"
        yield from (".RS 4", ".nf")
        yield from (_guarded(_escaped(line)) or "\\&" for line in block.lines)
        yield from (".fi", ".RE")


def _lines(text: str) -> list[str]:
    """Return a paragraph in lines of a length that editors like; what stands in backticks is bold."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick of its own
        parts = [text]
    shown = [f"\\fB{_escaped(part)}\\fR" if index % 2 else _escaped(part) for index, part in enumerate(parts)]
    lines = textwrap.wrap("".join(shown), 78, break_long_words=False, break_on_hyphens=False)
    return [_guarded(line) for line in lines]


def _escaped(text: str) -> str:
    for plain, written in (
        ("\\", "\\e"),
        ("-", "\\-"),
        ("`", "\\(ga"),
        ("'", "\\(aq"),
        ("^", "\\(ha"),
        ("~", "\\(ti"),
    ):
        text = text.replace(plain, written)
    return text


def _guarded(text: str) -> str:
    """Keep a line that begins like a command of the language from being one."""
    return f"\\&{text}" if text.startswith((".", "'")) else text
