"""The tracker of the stack: its attributes hold, and with `--online` it answers and takes the credentials."""

from __future__ import annotations

from collections.abc import Iterator

from ..config.active import choose_stack
from ..config.model import Config
from ..config.paths import Project
from ..errors import MlxError
from ..stacks.addresses import without_credentials
from ..stacks.membership import stack_entries
from ..stacks.trackers import open_tracker
from .findings import Finding, failed


def check_tracker(project: Project, config: Config, stack: str | None, *, online: bool) -> Iterator[Finding]:
    """Look at the tracker of a stack, or the active one; a local store is read also without `online`."""
    chosen = choose_stack(project, config, stack).name
    entry = next((item for item in stack_entries(config, chosen) if item.kind == "experiment_tracker"), None)
    if entry is None:
        yield Finding("tracker", "warn", f"stack {chosen} has none", f"mlx stack update {chosen} -e NAME")
        return
    address = without_credentials(str(entry.attributes.get("tracking_uri") or ""))
    if address and not online:
        yield Finding("tracker", "ok", f"{entry.name} ({address}) was not asked; --online does")
        return
    try:
        open_tracker(entry.name, project).preflight()
    except MlxError as error:
        yield failed("tracker", error, fix=f"mlx tracker test {entry.name}")
    else:
        yield Finding("tracker", "ok", f"{entry.name} ({address or 'on this machine'}) answers")
