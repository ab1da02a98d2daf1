"""What is on disk: the artifact store takes a file, the history reads, and what should be served is."""

from __future__ import annotations

import shlex
import shutil
import sqlite3
from collections.abc import Iterator

from ..config.databases import open_for_reading
from ..config.paths import Project
from ..deployments.service import DeploymentService
from ..runs.history import history_path
from .findings import Finding
from .store_probe import open_store, probe

_LITTLE = 1 << 30  # bytes


def check_store(project: Project, stack: str | None, *, online: bool = False) -> Iterator[Finding]:
    """Write a file into the store of a stack, read it back and remove it; one that is far away is asked if `online`."""
    _, store = open_store(None, project, stack)
    name = getattr(store, "name", "")
    if getattr(store, "is_remote", False):
        if not online:
            yield Finding(
                "artifact store", "ok", f"{name} ({store.location}) was not asked: mlx doctor --online"
            )
            return
        found = probe(name, project)
        said = f"{name} ({found.location}) answers in {found.answered:.0f} ms and keeps what is written"
        yield Finding("artifact store", "ok", said)
        return
    data = b"mlx doctor"
    with store.draft() as folder:
        (folder / "probe").write_bytes(data)
        if (folder / "probe").read_bytes() != data:
            yield Finding("artifact store", "fail", f"{store.location} does not keep what is written")
            return
        free = shutil.disk_usage(folder).free
    if free < _LITTLE:
        yield Finding(
            "artifact store", "warn", f"{store.location} has {free >> 20} MB left", "mlx runs prune --dry-run"
        )
    else:
        yield Finding("artifact store", "ok", f"{store.location} can be written, {free >> 30} GB left")


def check_history(project: Project) -> Iterator[Finding]:
    """Have SQLite look through the run history."""
    path = history_path(project.state_dir)
    if not path.exists():
        yield Finding("history", "ok", "no run yet")
        return
    try:
        connection = open_for_reading(path)
        try:
            said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            count = connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        said, count = str(error), 0
    if said == "ok":
        yield Finding("history", "ok", f"{count} run{'' if count == 1 else 's'}, the database is whole")
    else:
        aside = shlex.join(("mv", str(path), f"{path}.broken"))
        yield Finding("history", "fail", f"{path} is damaged: {said}", aside)


def check_deployments(project: Project) -> Iterator[Finding]:
    """Name the deployments that should be served and are not."""
    for record in DeploymentService(project).list(follow=False):
        if record.state == "failed":
            yield Finding(
                "deployments", "warn", f"{record.name} is {record.state}: {record.reason}", f"mlx deployment start {record.name}"
            )  # fmt: skip
