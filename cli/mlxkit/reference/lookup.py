"""The page of a topic, made when it is asked for, so that it is found however mlx was installed."""

from __future__ import annotations

from collections.abc import Sequence

from ..commands.app import COMMANDS
from ..errors import NotFoundError, did_you_mean
from ..stacks.flavors import built_in
from .configpage import config_page
from .describing import command_blocks
from .helptext import examples
from .jsonpage import json_page
from .manual import command_page, component_page, root_page, section_page
from .pages import Code, Page, Section
from .records import CommandEntry
from .topics import GENERAL, is_kind
from .tree import command_entry, command_tree


def all_topics() -> dict[str, str]:
    """Return every topic with what it is about; imports no command."""
    commands = {name: row.help for name, row in COMMANDS.items() if not row.is_hidden}
    return {**commands, **GENERAL}


def find_page(words: Sequence[str]) -> Page:
    """Return the page of a topic: a command, a command in a group, or one of `GENERAL`; raises NotFoundError."""
    name = words[0].removeprefix("mlx-")
    if len(words) == 1 and name in GENERAL:
        return _general(name)
    if name not in COMMANDS:
        known = all_topics()
        raise NotFoundError(f"no topic {name!r}{did_you_mean(name, known)}", hint="mlx help")
    if len(words) == 1:
        return command_page(
            command_tree() if is_kind(name) else CommandEntry((), "", ""), command_entry(name)
        )
    return _one_command(command_entry(name), words[1:])


def _general(name: str) -> Page:
    if name == "mlx":
        return root_page(command_tree())
    if name == "mlx.yaml":
        return config_page(built_in())
    if name == "json":
        return json_page()
    if name == "component":
        return component_page(command_tree())
    return section_page(name)


def _one_command(group: CommandEntry, words: Sequence[str]) -> Page:
    """Return a page about one command of a group alone."""
    command = group
    for word in words:
        below = {child.path[-1]: child for child in command.children}
        if word not in below:
            raise NotFoundError(
                f"no command {' '.join((command.name, word))!r}{did_you_mean(word, below)}",
                hint=f"mlx help {group.path[0]}",
            )
        command = below[word]
    found = examples(command.help)
    sections = (
        Section("COMMAND", tuple(command_blocks(command))),
        *([Section("EXAMPLES", (Code(tuple(found)),))] if found else []),
    )
    return Page("-".join(("mlx", *command.path)), 1, command.summary.removesuffix("."), sections)
