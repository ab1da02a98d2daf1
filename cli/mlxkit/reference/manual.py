"""The manual: which pages there are, and what is in each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..config.kinds import KINDS
from ..stacks.flavors import Flavor
from .configpage import config_page
from .describing import command_blocks, option_terms, synopsis
from .facts import ENVIRONMENT, EXIT_STATUS, FILES
from .helptext import described, examples
from .jsonpage import json_page
from .pages import Block, Code, Page, Section, Term, Text
from .records import CommandEntry
from .topics import GENERAL, is_kind

_KIND = "KIND"


def manual(root: CommandEntry, flavors: Sequence[Flavor]) -> list[Page]:
    """Return every page."""
    return [
        root_page(root),
        component_page(root),
        *(command_page(root, child) for child in root.visible),
        config_page(flavors),
        json_page(),
    ]


def root_page(root: CommandEntry) -> Page:
    """Return mlx(1)."""
    return Page(
        "mlx",
        1,
        _as_name(root.summary),
        (
            Section("SYNOPSIS", (Code(("mlx [OPTIONS] COMMAND [ARGUMENTS]...",)),)),
            Section("DESCRIPTION", (*described(root.help), Text(_HABITS))),
            Section("OPTIONS", tuple(option_terms(root.options))),
            Section("COMMANDS", tuple(Term(child.name, child.summary) for child in root.visible)),
            exit_status(),
            environment(),
            files(),
            *_examples([root]),
            _see_also([page for page in _names(root) if page != "mlx"]),
        ),
    )


def command_page(root: CommandEntry, command: CommandEntry) -> Page:
    """Return the page of a group with its commands, or of one command."""
    name = f"mlx-{command.path[0]}"
    kind = is_kind(command.path[0])
    below = _verbs_of_its_own(root, command) if kind else command.visible
    more: list[Section] = []
    if kind:
        more.append(Section("SHARED COMMANDS", tuple(_shared(command, below))))
    if below:
        blocks = [block for child in below for block in command_blocks(child)]
        more.append(Section("COMMANDS", tuple(blocks)))
    elif not kind:
        more.append(Section("OPTIONS", (*_arguments(command), *option_terms(command.options))))
    usage = Code(tuple(_usage(child) for child in command.visible or [command]))
    return Page(
        name,
        1,
        _as_name(command.summary),
        (
            Section("SYNOPSIS", (usage,)),
            Section("DESCRIPTION", tuple(described(command.help))),
            *more,
            *_examples([command, *command.walk()][1:]),
            _see_also(["mlx", "mlx.yaml"] + (["mlx-component"] if kind else [])),
        ),
    )


def component_page(root: CommandEntry) -> Page:
    """Return the page of what the commands of every kind have in common."""
    group = _kinds(root)[0]
    shared = [
        _neutral(child, group.path[0])
        for child in group.visible
        if child not in _verbs_of_its_own(root, group)
    ]
    kinds = [
        Term(
            f"mlx {kind.command}",
            f"{kind.title}; `{kind.section}` in mlx.yaml, {', '.join(kind.stack_flag[:2])} on a stack",
        )
        for kind in KINDS.values()
    ]
    return Page(
        "mlx-component",
        1,
        "register, show and change the components of a stack",
        (
            Section("SYNOPSIS", (Code(tuple(_usage(child) for child in shared)),)),
            Section("DESCRIPTION", (Text(_COMPONENTS),)),
            Section("KINDS", tuple(kinds)),
            Section("COMMANDS", tuple(block for child in shared for block in command_blocks(child))),
            *_examples(group.walk()),
            _see_also(["mlx", "mlx-stack", "mlx-flavor", "mlx-secret", "mlx.yaml"]),
        ),
    )


def exit_status() -> Section:
    """Return what the exit status says."""
    return Section("EXIT STATUS", tuple(Term(str(int(code)), text) for code, text in EXIT_STATUS.items()))


def environment() -> Section:
    """Return the variables that mlx listens to."""
    return Section("ENVIRONMENT", tuple(Term(name, text) for name, text in ENVIRONMENT.items()))


def files() -> Section:
    """Return where mlx keeps what."""
    return Section("FILES", tuple(Term(name, text) for name, text in FILES.items()))


def section_page(topic: str) -> Page:
    """Return a topic that is one section of mlx(1) as a page of its own, for `mlx help`."""
    made = {"exit-codes": exit_status, "environment": environment, "files": files}[topic]
    return Page(f"mlx-{topic}", 7, _as_name(GENERAL[topic]), (made(),))


def _verbs_of_its_own(root: CommandEntry, group: CommandEntry) -> list[CommandEntry]:
    """Return the commands of a kind that the other kinds do not have."""
    others = [other for other in _kinds(root) if other.path != group.path]
    common = set.intersection(*({child.path[-1] for child in other.visible} for other in others))
    return [child for child in group.visible if child.path[-1] not in common]


def _kinds(root: CommandEntry) -> list[CommandEntry]:
    return [child for child in root.visible if is_kind(child.path[0])]


def _neutral(command: CommandEntry, kind: str) -> CommandEntry:
    """Return a command of one kind as it is for any."""
    from dataclasses import replace

    title = next(item.title for item in KINDS.values() if item.command == kind)

    def said(text: str) -> str:
        for word in (f"an {title}", f"a {title}"):
            text = text.replace(word, "a component")
        plural = next(item.section for item in KINDS.values() if item.command == kind).replace("_", " ")
        return text.replace(plural, "components of the kind").replace(f"list {kind}", f"list {_KIND}")

    return replace(
        command, path=(_KIND, *command.path[1:]), summary=said(command.summary), help=said(command.help)
    )


def _usage(command: CommandEntry) -> str:
    return f"{command.name} {synopsis(command)}".strip()


def _shared(group: CommandEntry, own: list[CommandEntry]) -> list[Block]:
    shared = [child for child in group.visible if child not in own]
    about = Text("Those that every kind of component has are described in mlx-component(1).")
    return [about, *(Term(child.name, child.summary) for child in shared)]


def _arguments(command: CommandEntry) -> list[Block]:
    return [Term(item.metavar, item.help) for item in command.arguments]


def _examples(commands: Iterable[CommandEntry]) -> list[Section]:
    found = list(dict.fromkeys(line for command in commands for line in examples(command.help)))
    return [Section("EXAMPLES", (Code(tuple(found)),))] if found else []


def _see_also(names: Iterable[str]) -> Section:
    chapters = {"mlx.yaml": 5, "mlx-json": 7}
    shown = ", ".join(f"{name}({chapters.get(name, 1)})" for name in names)
    return Section("SEE ALSO", (Text(shown),))


def _names(root: CommandEntry) -> list[str]:
    return ["mlx-component", *(f"mlx-{child.path[0]}" for child in root.visible), "mlx.yaml", "mlx-json"]


def _as_name(summary: str) -> str:
    """Turn a summary into what stands in NAME: no full stop, and lower case unless it is a name."""
    text = summary.removesuffix(".")
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


_HABITS = (
    "Data goes to standard output, words go to standard error. Every reading command takes `--output` "
    "(table, json, yaml or name); on a pipe a table is plain, separated by tabs and never cut off. With json, errors "
    "are JSON too. Those that print a text as it is have no `--output`: `runs logs`, `deployment logs`, `tracker logs`, "
    "`runs tag` (a tag a line) and `tracker env`, which has `--shell json`. "
    "What deletes or sends something asks on a terminal and takes `--yes`. Every command takes `--help`, and the options "
    "below may stand behind the command as well as before it: `mlx runs list -q`. Not so where any option is a word of "
    "yours (a parameter of `run`, an attribute of `register` and `update`, a key of `secret create` and `secret update`): "
    "there they stand before the command, as in `mlx -q run FILE`, and so they do where the command has an option of that name."
)
_COMPONENTS = (
    "A component is a named, configured instance of a flavor. Components are written to mlx.yaml, and a stack names one "
    "of each kind. The same commands work for every kind; KIND stands for one of those below. The attributes that can "
    "be set on a component depend on its flavor, and are listed in mlx.yaml(5)."
)
