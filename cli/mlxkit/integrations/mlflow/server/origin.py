"""The first line of what is written for Docker and Kubernetes: for which tracker it is, and at which port it is reached."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_LINE = "# Written by mlx tracker deploy for experiment tracker '{}', reached at port {}.\n"
_READ = re.compile(
    re.escape(_LINE.strip()).replace(r"\{\}", "{}").format("([A-Za-z0-9_.-]+)", "([0-9]{1,5})")
)


class Origin(NamedTuple):
    """Which tracker a file was written for."""

    name: str
    port: int

    def line(self) -> str:
        """Return the line that says so."""
        return _LINE.format(self.name, self.port)


def origin_of(folder: Path, files: Iterable[str]) -> Origin | None:
    """Return which tracker the files of a folder were written for, or None when none of them says it."""
    for file in files:
        try:
            with (folder / file).open("rb") as opened:
                found = _READ.fullmatch(opened.readline(300).decode("utf-8", "replace").rstrip())
        except OSError:
            continue
        if found:
            return Origin(found[1], int(found[2]))
    return None
