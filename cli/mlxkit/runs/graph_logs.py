"""The last lines that steps printed, for the page of a run."""

from __future__ import annotations

from pathlib import Path

from .graph import RunGraph

_SHOWN = ("failed", "killed")
_BYTES = 3000


def log_tails(state_dir: Path, graph: RunGraph) -> dict[str, str]:
    """Return the end of the log of each step that failed; a step that printed nothing has none."""
    folder = state_dir / "logs" / graph.run.id
    found = {}
    for position, step in enumerate(graph.steps):
        if step.status not in _SHOWN:
            continue
        try:
            with (folder / f"{position:05d}-{step.name}.log").open("rb") as file:
                file.seek(0, 2)
                file.seek(max(file.tell() - _BYTES, 0))
                found[step.name] = file.read().decode("utf-8", "replace")
        except OSError:
            continue
    return found
