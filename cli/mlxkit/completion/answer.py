"""The answer to a TAB: which words may stand where the cursor is.

The shell sets `_MLX_COMPLETE` to its name and gives the words after `mlx`, the one at the cursor last. The first line of
the answer says what else may stand there (`files`, `folders` or `words`: nothing else), then comes a candidate a line.
"""

from __future__ import annotations

import os
import sys

from .line import Line, read_line
from .names import Candidates, flavors, offered

_BEYOND = {"file": "files", "pipeline_file": "files", "folder": "folders"}


def main(shell: str) -> None:
    """Write the answer to standard output, and end the process with status 0 whatever happens."""
    try:
        words = sys.argv[1:] or [""]
        text = answer(shell, [*words[:-1], words[-1].lstrip(" ") if shell == "powershell" else words[-1]])
        os.write(1, text.encode("utf-8", "replace"))
    except BaseException:  # noqa: S110 - a TAB has nowhere to put an error
        pass
    finally:
        os._exit(0)  # leaving in order costs more than the answer


def answer(shell: str, words: list[str]) -> str:
    """Return the lines for a shell; what would steer its terminal, in names or beside them, is left out."""
    beyond, found = candidates(words)
    shown = _SHOWN.get(shell, _plain)
    printable = [(value, help if help.isprintable() else "") for value, help in found if value.isprintable()]
    seen = dict.fromkeys(shown(value, help) for value, help in printable)
    return "".join(f"{line}\n" for line in (beyond, *seen))


def candidates(words: list[str]) -> tuple[str, Candidates]:
    """Return what else may stand where the last word is, and the words that begin as it does."""
    current = words[-1]
    line = read_line(words[:-1])
    beyond, prefix, found = _at_cursor(line, current)
    return beyond, [(prefix + value, help) for value, help in found if (prefix + value).startswith(current)]


def _at_cursor(line: Line, current: str) -> tuple[str, str, Candidates]:
    """Return what else may stand there, what comes before each candidate, and the candidates."""
    if line.pending is not None:
        return _values(line.pending, current, line, "")
    if line.is_over:
        return "files", "", []
    if current.startswith("-") and current != "-" * 2 and "=" in current:
        option, _, typed = current.partition("=")
        kind = line.value_of(option)
        if kind is None:
            return "words", "", []
        return _values(kind, typed, line, f"{option}=")
    if current.startswith("-"):
        return "words", "", _options(line, current)
    if line.children:
        return "words", "", line.children
    kind = line.argument
    return _values(kind, current, line, "") if kind else ("words", "", [])


def _values(kind: str, typed: str, line: Line, prefix: str) -> tuple[str, str, Candidates]:
    try:
        found = offered(kind, typed, line.given)
    except OSError:
        found = []
    return _BEYOND.get(kind, "words"), prefix, found


def _options(line: Line, current: str) -> Candidates:
    """Return the options that were not given yet; one spelling of each, unless it is another that is begun."""
    found: Candidates = []
    for spellings, help, _, is_repeatable in line.options:
        if not is_repeatable and any(spelling in line.used for spelling in spellings):
            continue
        fitting = [spelling for spelling in spellings if spelling.startswith(current)]
        if fitting:
            found.append((fitting[0], help))
    if line.attributes_of:
        for _, attributes in _meant(line).values():
            for key, (type, help, _) in attributes.items():
                spelling = f"--{key}" if "-" not in current[2:] else f"--{key.replace('_', '-')}"
                if spelling not in line.used:
                    found.append((spelling if type == "bool" else f"{spelling}=", help))
    return found


def _meant(line: Line) -> dict[str, tuple[str, dict[str, tuple[str, str, bool]]]]:
    """Return the flavor that is on the line, or all that it could be."""
    known = flavors(line.attributes_of)
    chosen = line.used.get("--flavor") or line.used.get("-f")
    return {chosen: known[chosen]} if chosen in known else known


# What a shell would take for a command of its own, where it inserts a word as it is.
_SPECIAL = frozenset(" \t\"'\\$`;&|<>()*?[]#!")


def _plain(value: str, _: str) -> str:
    """Return a word for bash, which inserts it as it is."""
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in value)


def _powershell(value: str, help: str) -> str:
    if not _SPECIAL.isdisjoint(value) or "{" in value:
        quoted = value.replace("'", "''")
        value = f"'{quoted}'"
    return _tabbed(value, help)


def _tabbed(value: str, help: str) -> str:
    return f"{value}\t{help}" if help else value


def _zsh(value: str, help: str) -> str:
    escaped = value.replace("\\", "\\\\").replace(":", "\\:")
    return f"{escaped}:{help}" if help else escaped


_SHOWN = {"zsh": _zsh, "fish": _tabbed, "powershell": _powershell}
