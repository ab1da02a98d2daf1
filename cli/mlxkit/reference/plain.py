"""Pages as plain text, for a pipe and for systems without `man`."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from .pages import Block, Code, Head, Page, Section, Term, Text

_WIDTH = 80
_MARGIN = "    "
_DEEPER = _MARGIN * 2


def plain(page: Page) -> str:
    """Return a page as text of at most 80 columns, where nothing longer is to be typed."""
    lines = ["NAME", f"{_MARGIN}{page.name} - {page.summary}"]
    for section in page.sections:
        lines += ["", *_section(section)]
    return "\n".join(lines) + "\n"


def _section(section: Section) -> Iterator[str]:
    yield section.title
    before: Block | None = None
    for block in section.blocks:
        if before is not None and not (isinstance(before, Head) or _is_dense(before, block)):
            yield ""
        yield from _block(block)
        before = block


def _is_dense(before: Block, block: Block) -> bool:
    return isinstance(before, Term) and isinstance(block, Term)


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Head):
        yield f"  {block.title}"
    elif isinstance(block, Term):
        yield f"{_MARGIN}{block.term}"
        yield from _wrapped(block.text, _DEEPER)
    elif isinstance(block, Text):
        yield from _wrapped(block.text, _MARGIN)
    elif isinstance(block, Code):
        yield from (f"{_DEEPER}{line}".rstrip() for line in block.lines)


def _wrapped(text: str, margin: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
