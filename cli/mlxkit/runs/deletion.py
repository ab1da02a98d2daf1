"""Deleting runs: rows first, in one transaction, then logs; content of the artifact store goes when nothing refers to it.

Killed anywhere in between, what is left is no run's any more, and the next deletion or pruning removes it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ..artifacts.store import ArtifactStore
from ..dataclass import dataclass
from ..errors import InUseError, MlxError
from ..records import Record
from . import known
from .detached.place import detached_ids
from .history import History
from .liveness import is_alive
from .records import RunRecord
from .schema import transaction

_AT_ONCE = 200  # runs a transaction: others wait for it no longer than they notice
_DOOMED = "(SELECT value FROM json_each(?1))"

StoreOf = Callable[[str], "ArtifactStore | None"]


@dataclass(frozen=True)
class Loss(Record):
    """What deleting some runs would remove, `size` in bytes: their logs, and content that no other run refers to."""

    runs: int
    artifacts: int
    size: int


@dataclass(frozen=True)
class Freed:
    """What became of content that runs left: `is_postponed` while a run goes on that might need it.

    `failed` says of each of the `kept` that could not be removed where it is and why.
    """

    artifacts: int = 0
    size: int = 0
    kept: int = 0
    is_postponed: bool = False
    failed: tuple[str, ...] = ()


def loss_of(history: History, run_ids: Sequence[str]) -> Loss:
    """Return what deleting these runs would remove."""
    row = history.connection.execute(
        "SELECT COUNT(*) AS artifacts, COALESCE(SUM(size), 0) AS size FROM (SELECT o.uri, MAX(o.size) AS size FROM steps s "
        f"JOIN outputs o ON o.step_id = s.id WHERE s.run_id IN {_DOOMED} AND o.uri != '' AND NOT EXISTS ("
        "SELECT 1 FROM outputs other JOIN steps t ON t.id = other.step_id WHERE other.digest = o.digest AND other.uri != '' "
        f"AND t.run_id NOT IN {_DOOMED}) GROUP BY o.uri)",
        (json.dumps(list(run_ids)),),
    ).fetchone()
    logs = sum(size_of(history.state_dir / "logs" / run_id) for run_id in run_ids)
    return Loss(len(run_ids), row["artifacts"], row["size"] + logs)


def untold_trackers(history: History, run_ids: Sequence[str]) -> list[str]:
    """Return the trackers that still hold one of these runs for open, because they did not answer when it ended."""
    rows = history.connection.execute(
        f"SELECT DISTINCT tracker FROM tracker_runs WHERE is_open = 1 AND run_id IN {_DOOMED} ORDER BY tracker",
        (json.dumps(list(run_ids)),),
    )
    return [row["tracker"] for row in rows]


def refuse_needed(runs: Sequence[RunRecord], in_use: Mapping[str, str] | None = None) -> None:
    """Raise InUseError for a run that goes on, and for those of which `in_use` says who needs them."""
    for run in runs:
        if run.status == "running":
            raise InUseError(f"run {run.name!r} is going on", hint=f"mlx runs logs {run.id} -f")
        if in_use and run.id in in_use:
            raise InUseError(f"run {run.name!r} is in use: {in_use[run.id]}", hint="add --force")


def delete_runs(history: History, runs: Sequence[RunRecord]) -> None:
    """Delete runs with their steps, logs, tags and what was measured; their tracker's runs stay as they are.

    Raises InUseError for one that goes on; then none is deleted.
    """
    refuse_needed(runs)
    for start in range(0, len(runs), _AT_ONCE):
        part = [run.id for run in runs[start : start + _AT_ONCE]]
        _delete_rows(history, part)
        known.deleted(history.state_dir, part)
        for run_id in part:
            shutil.rmtree(history.state_dir / "logs" / run_id, ignore_errors=True)
            with suppress(OSError):
                (history.alive_dir / f"{run_id}.alive").unlink()


def free_released(history: History, store_of: StoreOf) -> Freed:
    """Remove the content that deleted runs left and that no other run refers to.

    `store_of` gives the store of a stack, or None where the content has to stay. A run that begins meanwhile waits
    for the transaction, and while one goes on nothing is removed: it may have found that content in the cache,
    or stored it again, and not have said so yet.
    """
    freed = Freed()
    for part in _released(history):
        with transaction(history.connection) as db:
            if somebody_runs(history):
                return replace(freed, is_postponed=True)
            for stack, uri in part:
                if not is_referred_to(history, uri):
                    store = store_of(stack)
                    removed = None if store is None else try_to_remove(store, uri)
                    if isinstance(removed, str):  # a later pruning tries again
                        freed = replace(freed, kept=freed.kept + 1, failed=(*freed.failed, removed))
                        continue
                    if removed is None:
                        freed = replace(freed, kept=freed.kept + 1)
                    else:
                        freed = replace(freed, artifacts=freed.artifacts + 1, size=freed.size + removed)
                db.execute("DELETE FROM releases WHERE stack = ? AND uri = ?", (stack, uri))
    return freed


def somebody_runs(history: History) -> bool:
    """Say whether a run goes on; to be asked inside a transaction, which no run can begin in."""
    running = history.running()
    return any(is_alive(history.alive_dir, run_id) for run_id in running) or bool(
        running and detached_ids(history)
    )


def is_referred_to(history: History, uri: str) -> bool:
    """Say whether an output of any run is the content under a key."""
    digest = uri.rstrip("/").rpartition("/")[2]
    found = history.connection.execute(
        "SELECT 1 FROM outputs WHERE digest = ? AND uri != '' LIMIT 1", (digest,)
    ).fetchone()
    return found is not None


def remove(store: ArtifactStore, uri: str) -> int:
    """Remove content from a store and return how many bytes it had."""
    found = store.measure(uri)
    store.delete(uri)
    return 0 if found is None else found.size


def try_to_remove(store: ArtifactStore, uri: str) -> int | str:
    """Remove content and return its bytes, or where it still is and why."""
    try:
        return remove(store, uri)
    except OSError as error:
        return f"{store.location}/{uri}: {error.strerror or error}"
    except MlxError as error:
        return f"{store.location}: {error.message}"


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; 0 when there is none."""
    try:
        if path.is_dir():
            return sum(size_of(item) for item in path.iterdir())
        return path.stat().st_size
    except OSError:
        return 0


def _delete_rows(history: History, run_ids: Sequence[str]) -> None:
    doomed = (json.dumps(list(run_ids)),)
    with transaction(history.connection) as db:
        db.execute(
            "INSERT OR IGNORE INTO releases SELECT r.stack, o.uri FROM runs r JOIN steps s ON s.run_id = r.id "
            f"JOIN outputs o ON o.step_id = s.id WHERE r.id IN {_DOOMED} AND o.uri != ''",
            doomed,
        )
        db.execute(f"DELETE FROM runs WHERE id IN {_DOOMED}", doomed)


def _released(history: History) -> Iterator[list[tuple[str, str]]]:
    rows = history.connection.execute("SELECT stack, uri FROM releases ORDER BY stack, uri").fetchall()
    for start in range(0, len(rows), _AT_ONCE):
        yield [(row["stack"], row["uri"]) for row in rows[start : start + _AT_ONCE]]
