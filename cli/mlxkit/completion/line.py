"""The command line before the cursor: which command it is, and what is given already."""

from __future__ import annotations

from .names import Candidates, flavors
from .tree import COMMANDS

Spelled = tuple[tuple[str, ...], str, str, bool]


class Line:
    """What the words so far say."""

    def __init__(self) -> None:
        self.path = ""
        self.given: list[str] = []  # arguments
        self.used: dict[str, str] = {}  # options, each with its value as far as it is known
        self.pending: str | None = None  # what the option before the cursor takes
        self._last = ""
        self.is_over = False  # after `--`, where the words belong to somebody else

    @property
    def children(self) -> Candidates:
        """The commands of this group, those that the help hides left out."""
        names = COMMANDS[self.path][1].split()
        return [(name, COMMANDS[self._below(name)][0]) for name in names]

    @property
    def options(self) -> tuple[Spelled, ...]:
        """The options of this command."""
        return COMMANDS[self.path][3]

    @property
    def attributes_of(self) -> str:
        """The kind of component whose attributes are options here."""
        return COMMANDS[self.path][4]

    @property
    def argument(self) -> str:
        """What the next argument is; the last one may take all the words that are left."""
        kinds = COMMANDS[self.path][2]
        at = len(self.given)
        if at < len(kinds):
            return kinds[at].removesuffix("...")
        return kinds[-1].removesuffix("...") if kinds and kinds[-1].endswith("...") else ""

    def value_of(self, option: str) -> str | None:
        """Return what an option takes, `text` for what nothing is known of; None for a flag and for no option."""
        for spellings, _, kind, _ in self.options:
            if option in spellings:
                return kind or None
        if not self.attributes_of or not option.startswith("--"):
            return None
        key = option[2:].replace("-", "_")
        for _, attributes in flavors(self.attributes_of).values():
            if key in attributes:
                type, _, is_secret = attributes[key]
                return "choice:true false" if type == "bool" else "secret_attribute" if is_secret else "text"
        return None

    def take(self, word: str) -> None:
        """Read one more word."""
        if self.is_over:
            return
        if self.pending is not None:
            self.used[self._last] = word
            self.pending = None
        elif word == "--":
            self.is_over = True
        elif word.startswith("-") and word != "-":
            self._option(word)
        elif not self.given and self._below(word) in COMMANDS:
            self.path = self._below(word)
        else:
            self.given.append(word)

    def _option(self, word: str) -> None:
        option, equals, value = word.partition("=")
        self.used[option] = value
        kind = self.value_of(option)
        if not equals and kind is not None and kind != "choice:true false":
            self._last, self.pending = option, kind

    def _below(self, name: str) -> str:
        return f"{self.path} {name}" if self.path else name


def read_line(words: list[str]) -> Line:
    """Read the words between `mlx` and the cursor."""
    line = Line()
    for word in words:
        line.take(word)
    return line
