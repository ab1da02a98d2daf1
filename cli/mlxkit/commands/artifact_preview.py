"""How an artifact and a first look at it are shown."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

import typer

from . import terminal
from .terminal import Format

if TYPE_CHECKING:
    from ..artifacts.preview import Preview
    from ..artifacts.preview_pictures import Pixels
    from ..artifacts.records import ArtifactRecord
    from ..artifacts.store import ArtifactStore
    from ..errors import MlxError
    from ..runs.artifact_uses import ArtifactDescription

_WIDEST = 80


def look_at(
    artifact: ArtifactRecord, store: ArtifactStore, *, rows: int, unpickle: bool
) -> tuple[Preview, MlxError | None]:
    """Return a first look, and why there is none: the rest is still worth showing."""
    from ..artifacts.errors import ArtifactMissingError, ArtifactUnreadableError
    from ..artifacts.preview import Preview, preview

    try:
        seen = preview(
            artifact,
            store,
            rows=rows,
            width=_width(),
            unpickle=unpickle,
            pixels=terminal.has_colour(sys.stdout),
        )
    except (ArtifactMissingError, ArtifactUnreadableError) as error:
        return Preview("unreadable", note=error.message), error
    return seen, None


def end_if_unread(described: ArtifactDescription, problem: MlxError | None) -> None:
    """End with the exit status of what is wrong with an artifact, if anything is."""
    if problem is None and not described.is_there:  # nobody looked into it
        from ..artifacts.errors import ArtifactMissingError

        problem = ArtifactMissingError(f"artifact {described.digest[:12]} is gone")
    if problem is not None:
        terminal.warn(problem.message)
        raise typer.Exit(int(problem.exit_code))


def emit_description(described: ArtifactDescription, seen: Preview, output: Format) -> None:
    """Print a description; for people its preview comes after it."""
    if output is not Format.table:
        terminal.emit_one(described, output)
        return
    terminal.emit_one(_Head(described), output)
    terminal.out("")
    facts = {key: value for key, value in seen.facts.items() if key != "types"}
    told = ", ".join(f"{key} {_fact(value)}" for key, value in facts.items())
    terminal.lines([f"{seen.kind}{f': {told}' if told else ''}"])
    if seen.pixels is not None:
        for line in _blocks(seen.pixels):
            terminal.out(line)
    terminal.lines(f"  {line}" for line in seen.lines)
    if seen.note:
        terminal.lines([f"  ({seen.note})"])


class _Head:
    """The description's facts on one line each; the preview is printed below them."""

    def __init__(self, described: ArtifactDescription) -> None:
        self._described = described

    def to_dict(self) -> dict[str, Any]:
        data = self._described.to_dict()
        del data["preview"]
        data["where"] = data["where"] or "in the run history"
        if not data.pop("is_there"):
            data["where"] += " (gone)"
        used = [f"{use['step']} in {use['run_name'] or use['run']}" for use in data["used_by"]]
        data["used_by"] = used if len(used) <= 5 else [*used[:5], f"and {len(used) - 5} more"]
        return data


def _width() -> int:
    if not terminal.is_terminal(sys.stdout):
        return _WIDEST
    return max(min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST) - 2, 20)


def _fact(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return " x ".join(map(str, value)) if isinstance(value, list) else str(value)


def _blocks(pixels: Pixels) -> list[str]:
    """Return lines of upper half blocks: the upper pixel is the letter's colour, the lower one the paper's."""
    lines = []
    for upper in range(0, len(pixels), 2):
        lower = pixels[upper + 1] if upper + 1 < len(pixels) else None
        cells = []
        for column, (red, green, blue) in enumerate(pixels[upper]):
            paper = "49" if lower is None else "48;2;{};{};{}".format(*lower[column])
            cells.append(f"\x1b[38;2;{red};{green};{blue};{paper}m▀")
        lines.append("  " + "".join(cells) + "\x1b[0m")
    return lines
