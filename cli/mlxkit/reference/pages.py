"""A page of the manual before it has a form: sections of paragraphs, lists of terms, and examples."""

from __future__ import annotations

from dataclasses import field

from ..dataclass import dataclass


@dataclass(frozen=True)
class Text:
    """A paragraph; what stands in `backticks` is typed as it is."""

    text: str


@dataclass(frozen=True)
class Term:
    """Something named, and what it is."""

    term: str
    text: str


@dataclass(frozen=True)
class Code:
    """Lines to type, or a file, as they are."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Head:
    """A heading within a section."""

    title: str


Block = Text | Term | Code | Head


@dataclass(frozen=True)
class Section:
    """A titled part of a page."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """One page: `name` is what `man` finds it by, `number` the chapter of the manual."""

    name: str
    number: int
    summary: str
    sections: tuple[Section, ...] = field(default_factory=tuple)

    @property
    def file(self) -> str:
        """The file that it is installed as."""
        return f"{self.name}.{self.number}"
