"""Look what is being served from a folder, asking the system and not a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ....stacks.deployers import Serving
from ....stacks.listening import is_taken
from .state import Status, UnreadableError, boot_id, holder, read_status, read_wanted


def look(folder: Path) -> Serving:
    """Return what is being served; the lock is asked, and the file only for the rest."""
    alive = holder(folder)
    try:
        status = read_status(folder)
        wanted = read_wanted(folder)
    except UnreadableError as error:
        goes_on = f"; process {alive} goes on" if alive else ""
        return Serving(
            "failed", pid=alive or None, reason=f"{error.message}{goes_on}: stop it and start it again"
        )
    if alive is None:
        return _gone(status)
    if status is None or (alive and status.pid != alive):  # it has not said anything yet
        return Serving("starting", wanted.model if wanted else "", alive or None)
    found = _of(status, status.pid)
    if found.state == "running" and wanted is not None and wanted.id not in (status.answered, status.serves):
        return replace(found, state="updating")  # it has not heard yet what it is asked for
    return found


def _gone(status: Status | None) -> Serving:
    if status is None:
        return Serving("stopped")
    last = _of(status, None)
    if status.state in ("stopped", "failed"):
        return last
    if status.boot != boot_id():
        reason = "the machine was restarted"
    else:
        reason = f"the server process {status.pid} is gone (killed?)"
    if status.port and is_taken(status.host, status.port):
        reason += f", and port {status.port} is taken by another program"
    return replace(last, state="failed", reason=reason)


def _of(status: Status, pid: int | None) -> Serving:
    return Serving(
        status.state, status.model, pid, status.host, status.port, status.since, status.reason,
        model_dir=status.model_dir, workers=status.workers, max_body=status.max_body,
    )  # fmt: skip
