"""The command tree as one module of literals, for completion to read from its compiled form."""

from __future__ import annotations

from collections.abc import Iterable

from ..config.document import IMPLICIT
from ..config.kinds import KINDS
from ..stacks.flavors import Flavor
from .records import CommandEntry, OptionEntry

_HEAD = '''"""The command tree and the flavors as literals. Written by `python -m mlxkit.reference --write`; do not edit."""

from __future__ import annotations

# The words of a command -> help, the commands in it, what its arguments are, its options, whose attributes it takes.
# An option: its spellings, its help, what its value is (nothing: it is a flag), whether it may come again.
'''


def index_module(root: CommandEntry, flavors: Iterable[Flavor], topics: dict[str, str]) -> str:
    """Return the text of `completion/tree.py`."""
    lines = ["COMMANDS: dict[", "    str, tuple[str, str, tuple[str, ...], tuple[tuple[tuple[str, ...], str, str, bool], ...], str]", "] = {"]  # fmt: skip
    for command in root.walk():
        children = " ".join(child.path[-1] for child in command.visible)
        arguments = tuple(item.value + ("..." if item.is_repeatable else "") for item in command.arguments)
        lines += [
            f"    {' '.join(command.path)!r}: (",
            f"        {command.summary!r},",
            f"        {children!r},",
            f"        {arguments!r},",
            *_options(command.options),
            f"        {command.attributes_of!r},",
            "    ),",
        ]
    lines += ["}", "KINDS = {"]
    lines += [f"    {kind.name!r}: ({kind.section!r}, {kind.title!r})," for kind in KINDS.values()]
    lines += ["}", "IMPLICIT = {"]
    lines += [f"    {kind!r}: {tuple(names)!r}," for kind, names in IMPLICIT.items()]
    lines += ["}", "FLAVORS: dict[str, dict[str, tuple[str, dict[str, tuple[str, str, bool]]]]] = {"]
    rows = list(flavors)
    for kind in KINDS:
        lines.append(f"    {kind!r}: {{")
        for flavor in (row for row in rows if row.kind == kind):
            lines.append(f"        {flavor.name!r}: ({flavor.summary!r}, {{")
            lines += [
                f"            {item.name!r}: ({item.type!r}, {item.help!r}, {item.secret!r}),"
                for item in flavor.attributes
            ]
            lines.append("        }),")
        lines.append("    },")
    lines += ["}", "TOPICS = {"]
    lines += [f"    {topic!r}: {help!r}," for topic, help in topics.items()]
    lines.append("}")
    return _HEAD + "\n".join(lines) + "\n"


def _options(options: Iterable[OptionEntry]) -> list[str]:
    help = OptionEntry(("--help", "-h"), "", "Show the help and exit.")
    lines = ["        ("]
    for item in (*(option for option in options if not option.is_hidden), help):
        value = "" if item.is_flag else item.value or "text"
        lines.append(f"            ({item.spellings!r}, {item.help!r}, {value!r}, {item.is_repeatable!r}),")
    return [*lines, "        ),"]
