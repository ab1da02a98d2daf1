"""Every value that a metric had in a run, read from MLflow's history: its tables, its REST API, or its own client."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...config.databases import open_for_reading
from ...stacks.protocols import CurvePoint
from .local_store import LocalStore, unusable
from .metric_values import Thinned, value_of

if TYPE_CHECKING:
    from .rest import Rest

_PAGE = 10_000
_COLUMNS = {"run_uuid", "key", "value", "timestamp", "step", "is_nan"}
_GONE = "RESOURCE_DOES_NOT_EXIST"
Curves = Mapping[str, Sequence[CurvePoint]]


def sqlite_curves(store: LocalStore, runs: Sequence[str], keys: Sequence[str] | None) -> Curves | None:
    """Read MLflow's own table, which nobody who writes has to wait for; None when it is not as expected."""
    if not store.database.exists():
        return {}
    try:
        with contextlib.closing(open_for_reading(store.database)) as link:
            if not {row[1] for row in link.execute("PRAGMA table_info(metrics)")} >= _COLUMNS:
                return None
            return _first_of(runs, lambda run: _rows(link, run, keys))
    except sqlite3.Error as error:
        raise unusable(store.database, error) from error


def rest_curves(rest: Rest, runs: Sequence[str], keys: Sequence[str] | None, timeout: float) -> Curves:
    """Ask a server, page by page; a run that is gone has no curves."""
    from .rest import TrackerApiError

    def of_run(run: str) -> dict[str, list[CurvePoint]]:
        try:
            found = rest.call("GET", "/runs/get", {"run_id": run}, timeout=timeout)
            logged = [str(item["key"]) for item in found["run"].get("data", {}).get("metrics", [])]
            return {key: _pages(rest, run, key, timeout) for key in _wanted(logged, keys)}
        except TrackerApiError as error:
            if error.code != _GONE:
                raise
            return {}

    return _first_of(runs, of_run)


def client_curves(tracking_uri: str, runs: Sequence[str], keys: Sequence[str] | None = None) -> Curves:
    """Ask any other store through MLflow's own client, which is imported for that."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    client: Any = MlflowClient(tracking_uri=tracking_uri)

    def of_run(run: str) -> dict[str, list[CurvePoint]]:
        try:
            logged = list(client.get_run(run).data.metrics)
            histories = {key: client.get_metric_history(run, key) for key in _wanted(logged, keys)}
        except MlflowException as error:
            if error.error_code != _GONE:
                raise
            return {}
        return {
            key: _thinned(
                CurvePoint(int(item.step), item.timestamp / 1000, value_of(item.value)) for item in found
            )
            for key, found in histories.items()
        }

    return _first_of(runs, of_run)


def _first_of(runs: Sequence[str], of_run: Callable[[str], Mapping[str, Iterable[CurvePoint]]]) -> Curves:
    """Return each metric's points, by step and time, from the first of the runs that logged it."""
    curves: dict[str, list[CurvePoint]] = {}
    for run in runs:
        for key, points in of_run(run).items():
            curves.setdefault(key, sorted(points, key=lambda point: (point.step, point.time)))
    return dict(sorted(curves.items()))


def _wanted(logged: Sequence[str], keys: Sequence[str] | None) -> list[str]:
    return [key for key in dict.fromkeys(logged) if keys is None or key in keys]


def _rows(link: sqlite3.Connection, run: str, keys: Sequence[str] | None) -> dict[str, list[CurvePoint]]:
    found: dict[str, Thinned] = {}
    rows = link.execute(
        "SELECT key, step, timestamp, value, is_nan FROM metrics WHERE run_uuid = ? ORDER BY step, timestamp",
        (run,),
    )
    for key, step, moment, value, is_nan in rows:
        if keys is None or key in keys:
            point = CurvePoint(int(step), moment / 1000, float("nan") if is_nan else value_of(value))
            found.setdefault(key, Thinned()).add(point)
    return {key: curve.points() for key, curve in found.items()}


def _pages(rest: Rest, run: str, key: str, timeout: float) -> list[CurvePoint]:
    return _thinned(_listed(rest, run, key, timeout))


def _listed(rest: Rest, run: str, key: str, timeout: float) -> Iterator[CurvePoint]:
    token = ""
    while True:
        asked = {
            "run_id": run,
            "metric_key": key,
            "max_results": _PAGE,
            **({"page_token": token} if token else {}),
        }
        told = rest.call("GET", "/metrics/get-history", asked, timeout=timeout)
        for item in told.get("metrics", []):
            value = value_of(item.get("value", "nan"))
            yield CurvePoint(int(item.get("step", 0)), int(item.get("timestamp", 0)) / 1000, value)
        before, token = token, str(told.get("next_page_token") or "")
        if token in ("", before):
            return


def _thinned(points: Iterable[CurvePoint]) -> list[CurvePoint]:
    curve = Thinned()
    for point in points:
        curve.add(point)
    return curve.points()
