"""Tags of runs: words, or `key=value` of which a run has one a key. They are kept in history and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import NotFoundError, UsageError, did_you_mean
from .history import History
from .queries import RunQueries
from .schema import transaction

KEEP = "keep"  # the tag of runs that pruning leaves alone
_LONGEST = 200


def checked(tag: str) -> str:
    """Return a tag that can be one; raises UsageError."""
    written = tag.strip()
    key = written.partition("=")[0]
    if not written or not key.strip() or len(written) > _LONGEST or not written.isprintable():
        raise UsageError(
            f"{tag[:_LONGEST]!r} is no tag: it is a word or key=value, of at most {_LONGEST} characters",
            hint="mlx runs tag latest keep",
        )
    return written


def settled(tags: Sequence[str]) -> list[str]:
    """Return each tag once, and of those with one key the last: a key has one value."""
    last: dict[str, str] = {}
    for tag in tags:
        key, is_pair, _ = tag.partition("=")
        last.pop(key + is_pair, None)  # where it stands is where it was said last
        last[key + is_pair] = tag
    return list(last.values())


def add_tags(history: History, run_id: str, tags: Sequence[str]) -> list[str]:
    """Give a run tags and return all it has; a value of a key takes the place of the old one."""
    wanted = [checked(tag) for tag in tags]
    with transaction(history.connection) as db:
        before = RunQueries(history).tags(run_id)
        after = settled([*before, *wanted])
        gone = [(run_id, tag) for tag in before if tag not in after]
        db.executemany("DELETE FROM run_tags WHERE run_id = ? AND tag = ?", gone)
        db.executemany("INSERT OR IGNORE INTO run_tags VALUES (?, ?)", [(run_id, tag) for tag in after])
    return list(RunQueries(history).tags(run_id))


def remove_tags(history: History, run_id: str, tags: Sequence[str]) -> list[str]:
    """Take tags from a run, those of a key by the key alone, and return what is left.

    Raises NotFoundError for one that it does not have; then none is taken.
    """
    with transaction(history.connection) as db:
        for tag in tags:
            start = f"{tag}="
            gone = db.execute(
                "DELETE FROM run_tags WHERE run_id = ? AND (tag = ? OR substr(tag, 1, ?) = ?)",
                (run_id, tag, len(start), start),
            ).rowcount
            if not gone:
                near = did_you_mean(tag, RunQueries(history).tags(run_id))
                raise NotFoundError(
                    f"run {run_id} has no tag {tag!r}{near}", hint=f"mlx runs describe {run_id}"
                )
    return list(RunQueries(history).tags(run_id))
