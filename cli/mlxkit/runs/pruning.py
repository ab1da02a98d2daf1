"""Pruning: which runs are old enough to go, and what killed processes left lying about."""

from __future__ import annotations

import shutil
import time
from collections.abc import Container, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..artifacts.store import ArtifactStore
from ..dataclass import dataclass
from ..errors import MlxError
from .deletion import Freed, is_referred_to, size_of, somebody_runs, try_to_remove
from .history import _RUN_READ, History
from .records import RunRecord
from .schema import readable, transaction
from .tagging import KEEP
from .where import check_status

_SETTLED_AFTER = 24 * 3600.0  # seconds; what is younger may belong to somebody who has not said so yet
_AT_ONCE = 100


@dataclass(frozen=True)
class Pruning:
    """Which runs go: those beyond the newest `keep` of their pipeline that are also older than `older_than` seconds.

    One of the two may be None and does not count then. `pipeline` and `status` choose among which runs; artifacts that
    were saved by hand are runs of a pipeline of their own, which has to be named.
    """

    keep: int | None = None
    older_than: float | None = None
    pipeline: str | None = None
    status: str | None = None


def candidates(history: History, wanted: Pruning, *, spared: Container[str] = ()) -> list[RunRecord]:
    """Return the runs that go, the oldest first: never one that goes on, is tagged `keep`, or is spared."""
    if wanted.status is not None:
        check_status(wanted.status)
    chosen: list[tuple[str, Any]] = []
    if wanted.pipeline is not None:
        chosen.append(("pipeline = ?", wanted.pipeline))
    else:
        chosen.append(("kind != ?", "artifact"))
    if wanted.status is not None:
        chosen.append(("status = ?", wanted.status))
    clauses = ["status != 'running'", *(sql for sql, _ in chosen)]
    rows = history.connection.execute(
        f"WITH ranked AS (SELECT id, started, ROW_NUMBER() OVER (PARTITION BY pipeline ORDER BY started DESC) AS rank "
        f"FROM runs WHERE {' AND '.join(clauses)}) "
        f"SELECT {_RUN_READ} FROM runs WHERE id IN (SELECT id FROM ranked WHERE rank > ? AND started < ?) AND NOT EXISTS ("
        "SELECT 1 FROM run_tags t WHERE t.run_id = runs.id AND (t.tag = ? OR substr(t.tag, 1, ?) = ?)) ORDER BY started",
        [
            *(value for _, value in chosen),
            wanted.keep or 0,
            time.time() - (wanted.older_than or 0.0),
            KEEP,
            len(KEEP) + 1,
            f"{KEEP}=",
        ],
    ).fetchall()
    return [history._run(row) for row in rows if row["id"] not in spared]


def sweep_logs(history: History) -> int:
    """Remove logs of runs that are not in history, as a killed deletion leaves them; returns their bytes."""
    folder, size = history.state_dir / "logs", 0
    for path in list(folder.iterdir()) if folder.is_dir() else []:
        # A run is recorded before it has a log: what has one and no record was deleted.
        if path.is_dir() and not _is_run(history, path.name):
            size += size_of(path)
            shutil.rmtree(path, ignore_errors=True)
    for mark in list(history.alive_dir.glob("*.alive")) if history.alive_dir.is_dir() else []:
        if _is_settled(mark) and not _is_run(history, mark.stem):
            with suppress(OSError):
                mark.unlink()
    return size


def sweep_store(history: History, store: ArtifactStore) -> Freed:
    """Remove content that no run refers to and that is older than a day: what crashes left."""
    freed, keys = Freed(), store.uris()
    while part := list(islice(keys, _AT_ONCE)):
        found = [uri for uri in part if not is_referred_to(history, uri)]
        if not found:
            continue
        with transaction(history.connection):
            if somebody_runs(history):
                return replace(freed, is_postponed=True)
            for uri in found:
                if not _is_old(store, uri) or is_referred_to(history, uri):
                    continue
                removed = try_to_remove(store, uri)
                if isinstance(removed, str):
                    freed = replace(freed, kept=freed.kept + 1, failed=(*freed.failed, removed))
                else:
                    freed = replace(freed, artifacts=freed.artifacts + 1, size=freed.size + removed)
    return freed


def sweep_records(history: History) -> int:
    """Remove environments and kept sources that no run has any more; returns the bytes of the sources."""
    with transaction(history.connection) as db:
        db.execute("DELETE FROM environments WHERE digest NOT IN (SELECT environment FROM runs)")
    with readable(history.connection):
        rows = history.connection.execute(
            "SELECT DISTINCT j.value FROM runs, json_each(runs.code, '$.sources') j WHERE j.type = 'text'"
        )
        wanted = {row[0] for row in rows}
    size = 0
    for path in _files(history.state_dir / "sources"):
        if path.name not in wanted and _is_settled(path):
            size += size_of(path)
            with suppress(OSError):
                path.unlink()
    return size


def _files(folder: Path) -> Iterator[Path]:
    for group in list(folder.iterdir()) if folder.is_dir() else []:
        if group.is_dir():
            yield from list(group.iterdir())


def _is_run(history: History, run_id: str) -> bool:
    return history.connection.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone() is not None


def _is_old(store: ArtifactStore, uri: str) -> bool:
    """Say whether content is a day old; what another process has just removed is not."""
    try:
        found = store.measure(uri)
    except MlxError:
        return False
    return found is not None and found.changed is not None and time.time() - found.changed > _SETTLED_AFTER


def _is_settled(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > _SETTLED_AFTER
    except OSError:
        return False
