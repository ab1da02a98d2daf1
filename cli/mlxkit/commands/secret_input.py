"""What `mlx secret create` and `update` are given: literals, prompts, standard input, files, whole documents.

The words are read here and not by the parser of the command line, whose errors quote what they do not know.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path

from ..dataclass import dataclass
from ..errors import MlxError, UsageError
from ..secrets import masking
from ..secrets.names import EmptyValueError, check_keys
from . import terminal
from .argv_memory import hide
from .words import one_dash


@dataclass
class Given:
    """A name and values; `literals` are the keys whose values were on the command line."""

    name: str
    values: dict[str, str] = field(default_factory=dict)
    literals: list[str] = field(default_factory=list)


def read(words: Sequence[str], *, values: str | None, interactive: bool, allow_empty: bool) -> Given:
    """Return the name and the values that the words, `--values` and the person at the terminal give."""
    name, options = _split(words)
    literals = [text for text in (*options.values(), values) if text and not _is_elsewhere(text)]
    hide(literals)
    for key, given_text in (*options.items(), ("", values)):
        if given_text and given_text in literals:
            masking.register(given_text, key)
    given = _Reader(name).read(options, values, interactive=interactive)
    for key, value in given.values.items():
        if not value and not allow_empty:
            raise EmptyValueError(f"--{key}")
    return given


def read_text(source: str, *, what: str) -> str:
    """Return the text of a file, or of standard input for `-`."""
    if source == "-" and terminal.is_terminal(sys.stdin):
        raise UsageError(f"{what}: nothing is piped in", hint="printf %s VALUE | mlx secret ...")
    try:
        data = sys.stdin.buffer.read() if source == "-" else Path(source).expanduser().read_bytes()
        return data.decode("utf-8")
    except OSError as error:
        raise MlxError(f"{what}: cannot read {source}: {error.strerror}") from error
    except UnicodeDecodeError:
        shown = "standard input" if source == "-" else source
        raise MlxError(f"{what}: {shown} is not UTF-8 text", hint="store it base64-encoded") from None


class _Reader:
    """One pass over the options; standard input is there once."""

    def __init__(self, name: str) -> None:
        self._given = Given(name)
        self._reader_of_stdin = ""

    def read(self, options: dict[str, str | None], values: str | None, *, interactive: bool) -> Given:
        if values is not None:
            self._document(values)
        for key, text in options.items():
            self._option(key, text)
        if interactive:
            self._ask_for_keys()
        return self._given

    def _document(self, text: str) -> None:
        from ..secrets.document import values_from_text

        what = "--values"
        found = values_from_text(
            self._text(text.removeprefix("@"), what) if _is_elsewhere(text) else text, what=what
        )
        self._given.values |= found
        self._given.literals += [] if _is_elsewhere(text) else found

    def _option(self, key: str, text: str | None) -> None:
        if text is None:
            value = terminal.ask_hidden(f"{key} of {self._given.name}")
        elif _is_elsewhere(text):
            value = _one_newline_less(self._text(text.removeprefix("@"), f"--{key}"))
        else:
            value = text.removeprefix("@") if text.startswith("@@") else text
            self._given.literals.append(key)
        self._given.values[key] = value

    def _text(self, source: str, what: str) -> str:
        if source == "-" and self._reader_of_stdin:
            raise UsageError(f"{what}: standard input went to {self._reader_of_stdin} already")
        if source == "-":
            self._reader_of_stdin = what
        return read_text(source, what=what)

    def _ask_for_keys(self) -> None:
        """Ask for keys and values until the key is left empty."""
        name = self._given.name
        while key := terminal.ask(f"key of {name} (empty: no more)"):
            check_keys([key])
            self._given.values[key] = terminal.ask_hidden(f"{key} of {name}")


def _split(words: Sequence[str]) -> tuple[str, dict[str, str | None]]:
    """Return the name, and the options with their text or None; no message shows what was written."""
    names: list[str] = []
    options: dict[str, str | None] = {}
    open_key = ""
    for word in words:
        if not word.strip():
            continue  # what a line continuation with a blank behind it leaves
        key, equals, text = word.removeprefix("--").partition("=")
        if not word.startswith("-"):
            if names:
                raise UsageError(
                    _one_too_many(open_key), hint="--KEY=VALUE, or --KEY alone to be asked for it"
                )
            names.append(word)
        elif not word.startswith("--") or not key:
            raise one_dash()
        elif key in options:
            check_keys([key])
            raise UsageError(f"--{key} is given twice")
        else:
            check_keys([key])
            options[key] = text if equals else None
        open_key = key if word.startswith("--") and not equals else ""
    if not names:
        raise UsageError("the name of the secret is missing", hint="mlx secret create NAME --KEY=VALUE")
    return names[0], options


def _one_too_many(open_key: str) -> str:
    if open_key:
        return f"--{open_key} and its value are joined by '='"
    return "there is a word too many; a value belongs behind its key"


def _is_elsewhere(text: str) -> bool:
    """Say whether the value is not here: `-` is standard input, `@file` a file, `@@` a literal @."""
    return text == "-" or (text.startswith("@") and not text.startswith("@@"))


def _one_newline_less(text: str) -> str:
    return text.removesuffix("\r\n" if text.endswith("\r\n") else "\n")
