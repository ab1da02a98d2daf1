"""The live command tree, read into records; this is all that knows how the parser's objects are made."""

from __future__ import annotations

from typing import Any

from ..commands.app import COMMANDS, load, root_command
from .records import ArgumentEntry, CommandEntry, OptionEntry
from .values import of_argument, of_option

_TYPES = {"int": "N", "integer": "N", "float": "NUMBER", "text": "TEXT", "str": "TEXT"}


def command_tree() -> CommandEntry:
    """Return `mlx` with every command, hidden ones included; imports the module of each."""
    root = _entry(root_command(), (), is_group_loaded=False)
    children = tuple(command_entry(name) for name in COMMANDS)
    return CommandEntry((), root.summary, root.help, root.options, children=children)


def command_entry(name: str) -> CommandEntry:
    """Return one command of `mlx` with what is below it; imports only its module."""
    entry = _entry(load(name), (name,))
    row = COMMANDS[name]
    return CommandEntry(
        entry.path,
        row.help,
        entry.help,
        entry.options,
        entry.arguments,
        entry.children,
        entry.attributes_of,
        row.is_hidden,
    )


def _entry(command: Any, path: tuple[str, ...], *, is_group_loaded: bool = True) -> CommandEntry:
    parameters = [item for item in command.params if not getattr(item, "hidden", False)]
    below = (getattr(command, "commands", None) or {}) if is_group_loaded else {}
    help = command.help or ""
    return CommandEntry(
        path,
        command.short_help or _first_line(help),
        help.strip(),
        tuple(_option(item, path) for item in parameters if item.param_type_name == "option"),
        tuple(_argument(item, path) for item in parameters if item.param_type_name == "argument"),
        tuple(_entry(child, (*path, name)) for name, child in below.items()),
        getattr(command, "kind", ""),
        bool(command.hidden),
    )


def _option(item: Any, path: tuple[str, ...]) -> OptionEntry:
    spellings = (*item.opts, *item.secondary_opts)
    choices = _choices(item)
    metavar = "" if item.is_flag or item.count else item.metavar or _type_name(item, choices)
    value = f"choice:{' '.join(choices)}" if choices else of_option(path, spellings, metavar)
    return OptionEntry(
        tuple(sorted(spellings, key=lambda text: not text.startswith("--"))),
        metavar,
        (item.help or "").strip(),
        value if metavar else "",
        _default(item),
        _variable(item),
        bool(item.multiple or item.count),
    )


def _argument(item: Any, path: tuple[str, ...]) -> ArgumentEntry:
    metavar = item.metavar or item.name.upper()
    choices = _choices(item)
    return ArgumentEntry(
        metavar,
        (item.help or "").strip(),
        f"choice:{' '.join(choices)}" if choices else of_argument(path, metavar),
        not item.required,
        item.nargs == -1,
    )


def _choices(item: Any) -> list[str]:
    return [str(getattr(choice, "value", choice)) for choice in getattr(item.type, "choices", None) or ()]


def _type_name(item: Any, choices: list[str]) -> str:
    if choices:
        return "|".join(choices)
    name = str(item.type.name)
    return _TYPES.get(name.removesuffix(" range"), name.upper())


def _default(item: Any) -> str:
    """Return a default worth telling: not none, not a flag's, not empty."""
    value = getattr(item.default, "value", item.default)
    if item.is_flag or value is None or callable(value) or value in ("", (), []):
        return ""
    return str(value)


def _variable(item: Any) -> str:
    found = item.envvar
    return found if isinstance(found, str) else ""


def _first_line(help: str) -> str:
    return help.strip().partition("\n\n")[0].replace("\n", " ")
