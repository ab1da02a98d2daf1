"""Everybody's runs: MLflow's filters for what is asked, and the runs of a server, a local store or another database."""

from __future__ import annotations

import heapq
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from ...secrets.masking import mask_text
from ...stacks.registries import TrackedRun
from ...stacks.tags import HOST, RUN_ID
from ...stacks.teams import Asked, TeamQuestion
from .connection import Connection
from .metric_values import INFINITE, value_of

if TYPE_CHECKING:
    from .rest import Rest

_T = TypeVar("_T")
_TIMEOUT = 15.0  # seconds for one page
_PAGE = 1000
STATUSES = {"running": "RUNNING", "completed": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
TIMES = {"started": "start_time", "ended": "end_time"}
_EXPERIMENTS = 500  # of one request
_ODD = re.compile(r"[^\w .:/@+=,%-]")  # MLflow's filters have no way to write some of these inside of a text


def as_filter(conditions: Sequence[Asked]) -> str:
    """Return MLflow's filter for conditions; what cannot be written in one is looser, or left out."""
    return " AND ".join(filter(None, map(_clause, conditions)))


def conditions_of(question: TeamQuestion) -> Sequence[Asked]:
    """Return all that runs have to fulfil: one of ours has our id, and those that its steps share a host."""
    host = () if question.with_children else (Asked("tag", HOST),)
    return (Asked("tag", RUN_ID), *host, *question.conditions)


def as_order(question: TeamQuestion) -> list[str]:
    """Return MLflow's order for a question."""
    order = question.order
    field = (
        f"attributes.{TIMES[order.key]}"
        if order.subject == "attribute"
        else f'{order.subject}s."{order.key}"'
    )
    return [f"{field} {'DESC' if question.is_falling else 'ASC'}"]


def ours(run: TrackedRun) -> TrackedRun:
    """Return a run with our word for its status, and no secret in its texts that this process knows."""
    words = {theirs: word for word, theirs in STATUSES.items()}
    return replace(
        run,
        name=mask_text(run.name),
        status=words.get(run.status, "running"),  # scheduled, too
        params={key: mask_text(value) for key, value in run.params.items()},
        metrics={key: value_of(value) for key, value in run.metrics.items()},
        tags={key: mask_text(value) for key, value in run.tags.items()},
    )


def rest_runs(rest: Rest, to: Connection, question: TeamQuestion) -> Iterator[TrackedRun]:
    """Ask a server: the experiments that the user may see, then their runs, page by page."""
    from .registry.answers import run_from
    from .registry.rest_runs import RestRuns

    reader = RestRuns(rest, to)

    def each(path: str, body: Mapping[str, Any], key: str, read: Callable[[Any], _T]) -> Iterator[_T]:
        token = ""
        while True:
            asked = {**body, **({"page_token": token} if token else {})}
            told = rest.call("POST", path, asked, timeout=_TIMEOUT)
            yield from reader.read(lambda told: [read(item) for item in told.get(key) or ()], told)
            before, token = token, str(told.get("next_page_token") or "")
            if token in ("", before):
                return

    experiments = list(
        each(
            "/experiments/search",
            {"max_results": _PAGE},
            "experiments",
            lambda told: str(told["experiment_id"]),
        )
    )
    asked = {
        "filter": as_filter(conditions_of(question)), "order_by": as_order(question), "max_results": question.page,
    }  # fmt: skip

    def of_some(ids: Sequence[str]) -> Iterator[TrackedRun]:
        body = {**asked, "experiment_ids": list(ids)}
        return each("/runs/search", body, "runs", lambda told: ours(run_from(told, to)))

    return _in_order(experiments, of_some, question)


def client_runs(to: Connection, question: TeamQuestion) -> Iterator[TrackedRun]:
    """Ask any other database through MLflow's own client, which is imported for that."""
    from mlflow import MlflowClient

    from .registry.client_runs import each, run_of

    client: Any = MlflowClient(tracking_uri=to.tracking_uri)
    found = each(lambda token: client.search_experiments(page_token=token))
    asked = {"max_results": question.page, "order_by": as_order(question)}
    wanted = as_filter(conditions_of(question))

    def of_some(ids: Sequence[str]) -> Iterator[TrackedRun]:
        runs = each(lambda token: client.search_runs(list(ids), wanted, page_token=token, **asked))
        return (ours(run_of(run, to)) for run in runs)

    return _in_order([str(item.experiment_id) for item in found], of_some, question)


def _in_order(
    experiments: Sequence[str],
    of_some: Callable[[Sequence[str]], Iterator[TrackedRun]],
    question: TeamQuestion,
) -> Iterator[TrackedRun]:
    """Return the runs of many experiments, asked for some at once, in the order of the question."""
    parts = [experiments[at : at + _EXPERIMENTS] for at in range(0, len(experiments), _EXPERIMENTS)]
    if len(parts) == 1:
        return of_some(parts[0])
    return heapq.merge(
        *map(of_some, parts), key=lambda run: _rank(run, question), reverse=question.is_falling
    )


def _rank(run: TrackedRun, question: TeamQuestion) -> tuple[bool, Any]:
    order = question.order
    group: Any = {"tag": run.tags, "metric": run.metrics, "param": run.params}.get(order.subject)
    value = getattr(run, order.key) if group is None else group.get(order.key)
    if value is None or value != value:
        return not question.is_falling, 0 if order.subject != "tag" else ""
    return question.is_falling, value


def _clause(asked: Asked) -> str:
    if asked.subject == "attribute":
        if asked.key == "status":
            return f"attributes.status {asked.operator} '{STATUSES[asked.value]}'"
        if asked.key == "id":
            return f"attributes.run_id = '{_ODD.sub('_', asked.value)}'"
        return _time(asked)
    field = f'{asked.subject}s."{asked.key}"'
    if asked.subject == "metric":
        if asked.operator == "has":
            return ""
        number = min(max(float(asked.value), -INFINITE), INFINITE)
        return f"{field} {asked.operator} {format(Decimal(repr(number)), 'f')}"
    if asked.operator == "has":
        return f"{field} LIKE '%'"
    loose = _ODD.sub("_", str(asked.value))
    if asked.operator == "!=":
        return f"{field} != '{loose}'" if loose == asked.value else f"{field} LIKE '%'"
    if asked.operator == "like" or loose != asked.value:
        return f"{field} ILIKE '{loose}'"
    return f"{field} {asked.operator} '{loose}'"


def _time(asked: Asked) -> str:
    """Compare a time in milliseconds, none of which is lost where seconds are cut there."""
    field, moment = f"attributes.{TIMES[asked.key]}", asked.value * 1000
    if asked.operator in ("<", "<="):
        return f"{field} <= {math.ceil(moment)}"
    if asked.operator in (">", ">="):
        return f"{field} >= {math.floor(moment)}"
    return f"{field} = {round(moment)}" if asked.operator == "=" else ""
