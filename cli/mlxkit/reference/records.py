"""Commands as plain records, apart from the library that parses the command line."""

from __future__ import annotations

from collections.abc import Iterator

from ..dataclass import dataclass


@dataclass(frozen=True)
class OptionEntry:
    """An option: its spellings, what it takes, and what completes that (see `values`); flags take nothing."""

    spellings: tuple[str, ...]
    metavar: str
    help: str
    value: str = ""
    default: str = ""
    variable: str = ""
    is_repeatable: bool = False
    is_hidden: bool = False

    @property
    def is_flag(self) -> bool:
        """Say whether it takes no value."""
        return not self.metavar


@dataclass(frozen=True)
class ArgumentEntry:
    """An argument; `is_repeatable` when it takes all the words that are left."""

    metavar: str
    help: str
    value: str = ""
    is_optional: bool = False
    is_repeatable: bool = False


@dataclass(frozen=True)
class CommandEntry:
    """A command or a group; `path` are the words that call it, none for `mlx` itself.

    `attributes_of` is the kind of component whose attributes it takes as options.
    """

    path: tuple[str, ...]
    summary: str
    help: str
    options: tuple[OptionEntry, ...] = ()
    arguments: tuple[ArgumentEntry, ...] = ()
    children: tuple[CommandEntry, ...] = ()
    attributes_of: str = ""
    is_hidden: bool = False

    @property
    def name(self) -> str:
        """The words that call it: `mlx stack list`."""
        return " ".join(("mlx", *self.path))

    @property
    def visible(self) -> list[CommandEntry]:
        """The commands in it that help shows."""
        return [child for child in self.children if not child.is_hidden]

    def walk(self) -> Iterator[CommandEntry]:
        """Yield this command and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()
