"""One command of a page: how it is called, what it does, what it takes."""

from __future__ import annotations

from collections.abc import Iterable

from .helptext import described
from .pages import Block, Head, Term
from .records import ArgumentEntry, CommandEntry, OptionEntry


def command_blocks(command: CommandEntry) -> list[Block]:
    """Return a command under its own heading, and what is below it."""
    found: list[Block] = [Head(f"{command.name} {synopsis(command)}".strip()), *described(command.help)]
    found += [Term(item.metavar, item.help) for item in command.arguments]
    found += option_terms(command.options)
    for child in command.visible:
        found += command_blocks(child)
    return found


def synopsis(command: CommandEntry) -> str:
    """Return what follows the words that call a command."""
    if command.children:
        return "COMMAND [ARGUMENTS]..."
    parts = ["[OPTIONS]"] if command.options else []
    parts += ["[--ATTRIBUTE=VALUE]..."] if command.attributes_of else []
    return " ".join([*parts, *(_argument(item) for item in command.arguments)])


def option_terms(options: Iterable[OptionEntry]) -> list[Block]:
    """Return options with what they take, their defaults and variables."""
    return [Term(_spelled(option), _told(option)) for option in options if not option.is_hidden]


def _argument(item: ArgumentEntry) -> str:
    text = item.metavar
    if item.is_optional and not text.startswith("["):
        text = f"[{text.removesuffix('...')}]" + ("..." if text.endswith("...") else "")
    return text + "..." if item.is_repeatable and not text.endswith("...") else text


def _spelled(option: OptionEntry) -> str:
    spellings = ", ".join(sorted(option.spellings, key=lambda text: text.startswith("--")))
    return f"{spellings} {option.metavar}" if option.metavar else spellings


def _told(option: OptionEntry) -> str:
    parts = [option.help]
    if option.default:
        parts.append(f"Default: {option.default}.")
    if option.variable:
        parts.append(f"{option.variable} sets it too.")
    return " ".join(parts)
