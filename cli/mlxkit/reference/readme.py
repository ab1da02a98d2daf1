"""The table of commands in the README, between its two marks."""

from __future__ import annotations

from .records import CommandEntry

BEGIN, END = "<!-- commands -->", "<!-- /commands -->"


def with_table(readme: str, root: CommandEntry) -> str:
    """Return the README with the table as it has to be; raises ValueError when the marks are not there."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"README.md needs the marks {BEGIN} and {END}")
    return f"{before}{begin}\n{table(root)}\n{end}{after}"


def table(root: CommandEntry) -> str:
    """Return a line for each command that help shows."""
    lines = ["| command | what it does |", "|---|---|"]
    for child in root.visible:
        below = ", ".join(f"`{item.path[-1]}`" for item in child.visible)
        lines.append(f"| `{child.name}` | {child.summary}{f' {below}' if below else ''} |")
    return "\n".join(lines)
