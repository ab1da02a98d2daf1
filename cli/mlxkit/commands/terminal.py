"""The only printer: data to stdout, words to stderr, colour and tables only on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol, TextIO

from ..dataclass import dataclass
from ..errors import MlxError, UsageError
from ..records import SCHEMA_VERSION
from .cells import cell, for_people, harmless
from .streams import put


class Format(str, Enum):
    """How data is printed."""

    table = "table"
    json = "json"
    yaml = "yaml"
    name = "name"

    def __str__(self) -> str:
        return self.value  # Typer turns an option into its enum twice, the second time from its text


class Printable(Protocol):
    """What `emit` needs of a record."""

    def to_dict(self) -> dict[str, Any]: ...


@dataclass
class Settings:
    """What the global options said; set once by the root command."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    errors_as_json: bool = False


settings = Settings()


def emit(
    records: Sequence[Printable], fmt: Format, columns: Sequence[str], *, empty: str = "nothing here"
) -> None:
    """Print many records: `columns` are the keys of `to_dict()` that the table shows, dotted for nested ones."""
    rows = [record.to_dict() for record in records]
    if fmt is Format.json:
        _json(rows)
    elif fmt is Format.yaml:
        _yaml(rows)
    elif fmt is Format.name:
        _lines(str(row["name"] if "name" in row else row["id"]) for row in rows)
    elif not rows:
        say(empty)
    elif is_terminal(sys.stdout):
        from .tables import draw_table

        titles = [cell(column).rpartition(".")[2].upper().replace("_", " ") for column in columns]
        texts = [[for_people(column, _dig(row, column)) for column in columns] for row in rows]
        draw_table(titles, texts, has_colour=has_colour(sys.stdout))
    else:
        _lines("\t".join(cell(_dig(row, column)) for column in columns) for row in rows)


def emit_one(record: Printable, fmt: Format) -> None:
    """Print one record: key and value a line, or the whole of it as JSON or YAML."""
    data = record.to_dict()
    if fmt is Format.json:
        _json(data)
    elif fmt is Format.yaml:
        _yaml(data)
    elif fmt is Format.name:
        _lines([str(data["name"] if "name" in data else data["id"])])
    else:
        pairs([(key, value) for key, value in _flatten(data) if key != "schema_version"])


def pairs(rows: Sequence[tuple[str, Any]]) -> None:
    """Print a word and a value a line: below each other on a terminal, by tab on a pipe."""
    if is_terminal(sys.stdout):
        from .tables import draw_pairs

        draw_pairs(rows, has_colour=has_colour(sys.stdout))
    else:
        _lines(f"{cell(key)}\t{cell(value)}" for key, value in rows)


def out(text: str) -> None:
    """Print one piece of data as it is (a URL, a path, a revealed value)."""
    put(text + "\n")


def emit_address(address: str, fmt: Format) -> None:
    """Print a URL: alone, so that it can be pasted and piped, or as `{"url": ...}`."""
    if fmt in (Format.json, Format.yaml):
        (_json if fmt is Format.json else _yaml)({"schema_version": SCHEMA_VERSION, "url": address})
    else:
        out(address)


def lines(texts: Iterable[str]) -> None:
    """Print lines that hold text by others, each of them on one line and without a word to the terminal."""
    _lines(harmless(text) for text in texts)


def say(text: str) -> None:
    """Tell the person something, on stderr; silent with --quiet."""
    if not settings.quiet:
        _tell(text + "\n")


def detail(text: str) -> None:
    """Tell more, only with --verbose."""
    if settings.verbose and not settings.quiet:
        _tell(text + "\n")


def warn(text: str) -> None:
    """Warn on stderr; --quiet does not hide it."""
    _tell(_styled("warning: ", "33", sys.stderr) + text + "\n")


def report_error(error: MlxError) -> None:
    """Print an error as words, or as one JSON object when the command was asked for JSON."""
    if settings.errors_as_json:
        import json

        data = {key: masked(item) if isinstance(item, str) else item for key, item in error.to_dict().items()}
        _tell(masked(json.dumps(data)) + "\n", is_json=True)
        return
    _tell(_styled("error: ", "31;1", sys.stderr) + masked(error.message) + "\n")
    if error.hint:
        _tell(_styled("  try: ", "2", sys.stderr) + masked(error.hint) + "\n")


def traceback_of(error: BaseException) -> None:
    """Print a whole traceback, for --debug."""
    import traceback

    _tell(masked("".join(traceback.format_exception(error))))


def tell_last(text: str) -> None:
    """Print what code that was run leaves as its last words (`sys.exit("...")`)."""
    _tell(masked(text) + "\n")


def masked(text: str) -> str:
    """Return `text` without any secret that this process knows; without secrets their package is not imported."""
    masking = sys.modules.get("mlxkit.secrets.masking")
    return text if masking is None else str(masking.mask_text(text))


def is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (ValueError, AttributeError):  # closed, or never there
        return False


def has_colour(stream: TextIO) -> bool:
    """Follow NO_COLOR, then FORCE_COLOR, then TERM and the stream itself (no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and is_terminal(stream)


def can_ask() -> bool:
    """Say whether a prompt would reach a person."""
    if os.environ.get("MLX_NO_INPUT", "") not in ("", "0") or os.environ.get("CI", "") not in (
        "",
        "0",
        "false",
    ):
        return False
    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is destroyed; refuse where nobody can answer."""
    if yes:
        return
    # A name by others must not rewrite what is asked.
    question = "\n".join(map(harmless, question.split("\n")))
    if not can_ask():
        raise UsageError(f"{question} needs an answer, and there is no terminal to ask on", hint="add --yes")
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise MlxError("nothing was changed")


def ask(prompt: str) -> str:
    """Read a line that may be seen, without the blanks round it; refuse where nobody is there."""
    if not can_ask():
        raise UsageError(f"{prompt} would have to be asked for, and there is no terminal")
    sys.stderr.write(f"{prompt}: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def ask_hidden(prompt: str) -> str:
    """Read a value without showing it; refuse where it would be echoed or nobody is there."""
    if not can_ask():
        raise UsageError(
            f"{prompt} would have to be asked for, and there is no terminal",
            hint="pass =- and pipe the value in",
        )
    import getpass

    return getpass.getpass(f"{prompt}: ", stream=sys.stderr)


def let_person_unlock() -> None:
    """Have the encrypted file's master password asked for here, if it is needed and somebody is there."""
    from ..secrets.stores.master_key import ask_with

    ask_with(ask_hidden if can_ask() else None)


def _tell(text: str, *, is_json: bool = False) -> None:
    """Write words to stderr, so that a runner of jobs that reads there obeys none of them."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from .jobwords import unobeyed, unobeyed_json

        text = (unobeyed_json if is_json else unobeyed)(text)
    sys.stderr.write(text)


def _json(data: Any) -> None:
    import json

    put(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def _yaml(data: Any) -> None:
    from ..config.yamltext import dump_yaml

    put(dump_yaml(data))


def _lines(lines: Any) -> None:
    for line in lines:
        put(line + "\n")


def _dig(row: Mapping[str, Any], path: str) -> Any:
    if path in row:
        return row[path]
    value: Any = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _flatten(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in data.items():
        if isinstance(value, Mapping) and value:
            pairs += _flatten(value, f"{prefix}{key}.")
        else:
            pairs.append((prefix + key, value))
    return pairs


def _styled(text: str, code: str, stream: TextIO) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if has_colour(stream) else text
