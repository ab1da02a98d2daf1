"""Everything that is generated: path in the repository -> content."""

from __future__ import annotations

from pathlib import Path

from ..completion.scripts import SCRIPTS, script
from ..stacks.flavors import built_in
from .index import index_module
from .manual import manual
from .readme import with_table
from .roff import roff
from .topics import topics
from .tree import command_tree

_COMPLETIONS, _MAN = "completions", "man"
_INDEX = "cli/mlxkit/completion/tree.py"


def repository() -> Path:
    """Return the root of the source tree that this package is in."""
    return Path(__file__).resolve().parents[3]


def documents(root: Path) -> dict[str, str]:
    """Return what every generated file has to contain."""
    tree, flavors = command_tree(), built_in()
    found = {f"{_COMPLETIONS}/{name}": script(shell) for shell, name in SCRIPTS.items()}
    for page in manual(tree, flavors):
        found[f"{_MAN}/man{page.number}/{page.file}"] = roff(page)
    found[_INDEX] = index_module(tree, flavors, topics(tree))
    found["README.md"] = with_table((root / "README.md").read_text(encoding="utf-8"), tree)
    return found


def stale(root: Path, wanted: dict[str, str]) -> list[str]:
    """Return the generated files that differ from what they have to contain, are missing, or should not be there."""
    found = [
        path
        for path, text in wanted.items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]
    there = [
        path.relative_to(root).as_posix()
        for folder in (_COMPLETIONS, _MAN)
        for path in (root / folder).rglob("*")
        if path.is_file()
    ]
    return sorted([*found, *(path for path in there if path not in wanted)])
