"""Everybody's runs, as the tracker that the team logs to knows them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from typing import Any, cast

from ..dataclass import dataclass
from ..errors import MlxError, NotFoundError
from ..records import Record, plain
from ..stacks.protocols import ExperimentTracker
from ..stacks.registries import TrackedRun
from ..stacks.tags import (
    CODE_DIGEST,
    COMMIT,
    ENGINE,
    HOST,
    KIND,
    PIPELINE,
    RUN_ID,
    RUN_NAME,
    STACK,
    TAGS,
    USER,
    WORKERS,
)
from ..stacks.teams import Asked, TeamQuestion, TrackerOfTeam
from .history import History
from .queries import several_begin
from .records import RunRecord
from .search import Found, RunFilter, RunListing, matching
from .team_question import question_of

_AT_ONCE = 500


@dataclass(frozen=True)
class TeamListing(RunListing):
    """A run as the tracker knows it: whose it is, where it ran, and whether this project's history has it, too."""

    user: str = ""
    host: str = ""
    engine: str = ""
    workers: str = ""
    tracker_runs: tuple[str, ...] = ()
    tracker_urls: tuple[str, ...] = ()
    is_here: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the keys of any run in a listing, and what only the tracker says."""
        own = ("user", "host", "engine", "workers", "tracker_runs", "tracker_urls", "is_here")
        return {**super().to_dict(), **{name: plain(getattr(self, name)) for name in own}}


@dataclass(frozen=True)
class TeamDescription(Record):
    """One run with all that the tracker has of it, what its children logged included."""

    listing: TeamListing
    tracker_tags: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the run's own keys at the top."""
        return {**self.listing.to_dict(), "tracker_tags": plain(self.tracker_tags)}

    def summary(self) -> TeamSummary:
        """Return what a person reads."""
        listing, run = self.listing, self.listing.run
        return TeamSummary(
            name=run.name, id=run.id, status=run.status, pipeline=run.pipeline, stack=run.stack, user=listing.user,
            host=listing.host, engine=listing.engine, workers=listing.workers, started=run.to_dict()["started"],
            duration=run.duration, tags=run.tags, logged_params=listing.logged_params, metrics=listing.metrics,
            commit=str(run.code.get("commit") or "")[:12], tracker=listing.tracker_urls, tracker_runs=listing.tracker_runs,
            tracker_tags={key: value for key, value in self.tracker_tags.items() if not key.startswith(("mlx.", "mlflow."))},
            is_here=listing.is_here,
        )  # fmt: skip


@dataclass(frozen=True)
class TeamSummary(Record):
    """What `mlx runs describe --team` shows."""

    name: str
    id: str
    status: str
    pipeline: str
    stack: str
    user: str
    host: str
    engine: str
    workers: str
    started: str | None
    duration: float | None
    tags: tuple[str, ...]
    logged_params: Mapping[str, str]
    metrics: Mapping[str, float]
    commit: str
    tracker: tuple[str, ...]
    tracker_runs: tuple[str, ...]
    tracker_tags: Mapping[str, str]
    is_here: bool


class TeamRuns:
    """The runs on one tracker, next to those of this project's history."""

    def __init__(self, tracker: ExperimentTracker, history: History) -> None:
        self._tracker = tracker
        self._history = history

    def list(self, *, limit: int = 20, **wanted: Any) -> Sequence[TeamListing]:
        """Return the newest runs of everybody; filters are those of `RunFilter`. Raises what `search` does."""
        return cast("Sequence[TeamListing]", self.search(RunFilter(**wanted), limit=limit).runs)

    def search(self, wanted: RunFilter, *, limit: int = 20) -> Found:
        """Do what `search_team` does."""
        return search_team(self._tracker, self._history, wanted, limit=limit)

    def get(self, reference: str) -> TeamDescription:
        """Return one run by id (or its start), name, tracker run id or `latest`; raises NotFoundError."""
        return describe_of_team(self._tracker, self._history, reference)


def search_team(
    tracker: ExperimentTracker, history: History, wanted: RunFilter, *, limit: int, page: int | None = None
) -> Found:
    """Return the newest runs of everybody that fit, sorted as `mlx runs list` does; `history` tells which are of here.

    A run that several experiments have parts of is put together of those that were read. Raises UsageError for what a
    tracker cannot be asked, and whatever keeps it from answering.
    """
    asked = question_of(wanted, limit)
    question = TeamQuestion(asked.conditions, asked.order, asked.is_falling, page or asked.page)
    runs = of_team(tracker, question)
    parts: dict[str, list[TrackedRun]] = {}
    read = History.in_memory()
    while some := _next(runs, question.page):
        changed = dict.fromkeys(run.tags[RUN_ID] for run in some)
        for run in some:
            parts.setdefault(run.tags[RUN_ID], []).append(run)
        read.take_over([(listing.run, (listing.metrics, listing.logged_params)) for listing in
                        (_listing(parts[run_id]) for run_id in changed)])  # fmt: skip
        if len(matching(read, wanted, limit).runs) >= limit:
            break
    found = matching(read, wanted, limit)
    here = _here(history, [item.run.id for item in found.runs])
    return Found(
        [_listing(parts[item.run.id], is_here=item.run.id in here) for item in found.runs], found.fields
    )


def describe_of_team(tracker: ExperimentTracker, history: History, reference: str) -> TeamDescription:
    """Return one run by id (or its start), name, tracker run id or `latest`; raises NotFoundError."""
    run_id = _find(tracker, reference)
    asked = TeamQuestion((Asked("tag", RUN_ID, "=", run_id),), is_falling=False, with_children=True)
    parts = [run for run in of_team(tracker, asked) if run.tags[RUN_ID] == run_id]
    if not parts:  # it was deleted since
        raise NotFoundError(f"the tracker has no run {reference!r}", hint="mlx runs list --team")
    own = [run for run in parts if HOST in run.tags]
    rest = [run for run in parts if HOST not in run.tags]
    run = own or rest  # what is left of a run that was deleted without its children
    listing = _listing([*rest, *own], of=run, is_here=bool(_here(history, [run_id])))
    return TeamDescription(listing, run[0].tags)


def of_team(tracker: ExperimentTracker, question: TeamQuestion) -> Iterable[TrackedRun]:
    """Ask a tracker for everybody's runs; raises MlxError for one that cannot be asked."""
    if not hasattr(tracker, "team_runs"):
        raise MlxError(
            "the tracker of the active stack is of a flavor that lists no runs", hint="mlx flavor list"
        )
    return iter(cast("TrackerOfTeam", tracker).team_runs(question))


def _find(tracker: ExperimentTracker, reference: str) -> str:
    if reference == "latest":
        ways: list[Sequence[Asked]] = [()]
    else:
        named = (Asked("tag", RUN_NAME, "=", reference),)
        ways = [(Asked("tag", RUN_ID, "=", reference),), named, (Asked("attribute", "id", "=", reference),)]
        if len(reference) >= 4:
            ways.append((Asked("tag", RUN_ID, "like", f"{reference}%"),))
    for way in ways:
        found = _ids(tracker, way, reference)
        if len(found) == 1 or (found and way and way[0].operator == "="):
            return found[0]
        if found:
            raise several_begin(reference, found, "mlx runs list --team")
    raise NotFoundError(f"the tracker has no run {reference!r}", hint="mlx runs list --team")


def _ids(tracker: ExperimentTracker, way: Sequence[Asked], reference: str) -> list[str]:
    """Return the ids of the newest runs that fit exactly: a tracker may know nothing of upper and lower case."""
    with_children = bool(way) and way[0].subject == "attribute"
    found: dict[str, None] = {}
    for run in of_team(tracker, TeamQuestion(way, page=10, with_children=with_children)):
        told = {run.tags[RUN_ID], run.tags.get(RUN_NAME), run.run_id}
        if (
            not way
            or reference in told
            or (way[0].operator == "like" and run.tags[RUN_ID].startswith(reference))
        ):
            found[run.tags[RUN_ID]] = None
        if len(found) > 3 or (found and (not way or way[0].operator == "=")):
            break
    return list(found)


def _listing(
    parts: Sequence[TrackedRun], *, of: Sequence[TrackedRun] = (), is_here: bool = False
) -> TeamListing:
    """Put a run together: of several parts that logged one thing the last counts; `of` are those that are the run."""
    own = sorted(of or parts, key=lambda run: run.started)
    tags = own[0].tags
    ended = [run.ended for run in own]
    record = RunRecord(
        id=tags[RUN_ID], name=tags.get(RUN_NAME) or own[0].name, pipeline=tags.get(PIPELINE, ""), stack=tags.get(STACK, ""),
        status=_status([run.status for run in own]), started=own[0].started,
        ended=None if None in ended else max(moment for moment in ended if moment is not None),
        kind=tags.get(KIND, "pipeline"), code=_code(tags), tags=_tags(tags.get(TAGS, "")),
    )  # fmt: skip
    metrics: dict[str, float] = {}
    params: dict[str, str] = {}
    for run in parts if of else own:
        metrics.update(run.metrics)
        params.update(run.params)
    return TeamListing(
        record, metrics, params, user=tags.get(USER, ""), host=tags.get(HOST, ""), engine=tags.get(ENGINE, ""),
        workers=tags.get(WORKERS, ""), tracker_runs=tuple(run.run_id for run in own),
        tracker_urls=tuple(run.url for run in own), is_here=is_here,
    )  # fmt: skip


def _status(told: Sequence[str]) -> str:
    return next((word for word in ("running", "killed", "failed") if word in told), "completed")


def _code(tags: Mapping[str, str]) -> dict[str, str]:
    told = {"commit": tags.get(COMMIT), "digest": tags.get(CODE_DIGEST)}
    return {key: value for key, value in told.items() if value}


def _tags(text: str) -> tuple[str, ...]:
    with suppress(ValueError):
        told = json.loads(text)
        if isinstance(told, list):
            return tuple(sorted(str(item) for item in told))
    return ()


def _next(runs: Iterable[TrackedRun], count: int) -> list[TrackedRun]:
    from itertools import islice

    return list(islice(runs, count))


def _here(history: History, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), _AT_ONCE):
        some = list(ids[start : start + _AT_ONCE])
        rows = history.connection.execute(
            f"SELECT id FROM runs WHERE id IN ({', '.join('?' * len(some))})", some
        )
        found.update(row[0] for row in rows)
    return found
