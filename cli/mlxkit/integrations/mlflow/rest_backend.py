"""A server, spoken to over REST; MLflow is not imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ...errors import MlxError
from ...stacks.protocols import Measured
from .backend import (
    MAX_BATCH,
    MAX_FOUND,
    MAX_PARAM,
    MAX_TAG,
    cut,
    deleted_experiment,
    filter_of,
    mlflow_status,
    now_ms,
    of_our_run,
)
from .connection import Connection
from .metric_values import value_of
from .rest import PROBE_TIMEOUT, TIMEOUT, Rest, TrackerApiError

_MEASURING = 5.0  # seconds: what was measured is told for convenience, and a run should not hang for it
_GONE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_STATE")


class RestBackend:
    """Writes runs through MLflow's REST API, one kept connection for all of them."""

    def __init__(self, rest: Rest, to: Connection) -> None:
        self._rest = rest
        self._to = to
        self._folders: dict[str, str] = {}

    def experiment(self, name: str) -> str:
        found = self._lookup(name)
        if found is None:
            try:
                return str(self._rest.call("POST", "/experiments/create", {"name": name})["experiment_id"])
            except TrackerApiError as error:
                if error.code != "RESOURCE_ALREADY_EXISTS":
                    raise
            found = self._lookup(name)  # another process was faster
        if found is None or found.get("lifecycle_stage") == "deleted":
            raise deleted_experiment(self._to, name)
        return str(found["experiment_id"])

    def create_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> str:
        run = self._rest.call(
            "POST",
            "/runs/create",
            {
                "experiment_id": experiment_id,
                "run_name": name,
                "start_time": now_ms(),
                "user_id": tags.get("mlflow.user", ""),
                "tags": [{"key": key, "value": value} for key, value in cut(tags, MAX_TAG)],
            },
        )
        info = run["run"]["info"]
        self._folders[str(info["run_id"])] = str(info.get("artifact_uri") or "")
        return str(info["run_id"])

    def log(
        self, run_id: str, *, params: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        left = [{"key": key, "value": value} for key, value in cut(params, MAX_PARAM)]
        other = [{"key": key, "value": value} for key, value in cut(tags, MAX_TAG)]
        while left or other:
            batch = {"run_id": run_id, "params": left[:MAX_BATCH], "tags": other[:MAX_BATCH]}
            self._rest.call("POST", "/runs/log-batch", batch)
            left, other = left[MAX_BATCH:], other[MAX_BATCH:]

    def attach(self, run_id: str, name: str, content: bytes) -> None:
        from .attachments import attach

        if not self._folders.get(run_id):
            run = self._rest.call("GET", "/runs/get", {"run_id": run_id})["run"]
            self._folders[run_id] = str(run["info"]["artifact_uri"])
        attach(self._to, self._rest, self._folders[run_id], name, content)

    def rename(self, run_id: str, name: str) -> None:
        self._rest.call("POST", "/runs/update", {"run_id": run_id, "run_name": name})

    def end(self, run_id: str, status: str) -> None:
        self._end(run_id, status, TIMEOUT)

    def discard(self, run_id: str) -> None:
        self.end(run_id, "killed")
        with suppress(MlxError):  # who may log may not always delete
            self._rest.call("POST", "/runs/delete", {"run_id": run_id})

    def tagged(
        self, experiment_ids: Sequence[str], tags: Mapping[str, str], *, is_running: bool = False
    ) -> Iterator[tuple[str, Mapping[str, str]]]:
        query: dict[str, Any] = {
            "experiment_ids": list(experiment_ids),
            "filter": filter_of(tags, is_running=is_running),
            "order_by": ["start_time ASC"],
            "max_results": MAX_FOUND,
        }
        while True:
            found = self._rest.call("POST", "/runs/search", query)
            for run in found.get("runs", []):
                own = {str(tag["key"]): str(tag["value"]) for tag in run["data"].get("tags", [])}
                yield str(run["info"]["run_id"]), own
            if not found.get("next_page_token"):
                return
            query["page_token"] = found["next_page_token"]

    def is_running(self, run_id: str) -> bool:
        try:
            run = self._rest.call("GET", "/runs/get", {"run_id": run_id})["run"]
        except TrackerApiError as error:
            if error.code not in _GONE:
                raise
            return False
        return bool(run["info"]["status"] == "RUNNING")

    def close_orphan(self, run_id: str, status: str) -> None:
        try:
            self._end(run_id, status, PROBE_TIMEOUT)
        except TrackerApiError as error:
            if error.code not in _GONE and not (
                error.code == "INVALID_PARAMETER_VALUE" and "deleted" in error.message
            ):
                raise

    def measures(self, run_ids: Sequence[str]) -> Mapping[str, Measured]:
        found: dict[str, Measured] = {}
        for run_id in run_ids:
            if run_id in found:
                continue
            try:
                run = self._rest.call("GET", "/runs/get", {"run_id": run_id}, timeout=_MEASURING)["run"]
            except TrackerApiError:  # deleted meanwhile
                continue
            found[run_id] = _measured(run)
            others = [other for other in run_ids if other not in found]
            if len(others) > 1:  # the runs of one experiment come together
                found |= self._measures_in(str(run["info"]["experiment_id"]), others)
        return found

    def _measures_in(self, experiment_id: str, run_ids: Sequence[str]) -> dict[str, Measured]:
        found: dict[str, Measured] = {}
        for start in range(0, len(run_ids), MAX_BATCH):
            listed = ", ".join(f"'{run_id}'" for run_id in run_ids[start : start + MAX_BATCH])
            query = {
                "experiment_ids": [experiment_id],
                "filter": f"attributes.run_id IN ({listed})",
                "max_results": MAX_BATCH,
            }
            try:
                told = self._rest.call("POST", "/runs/search", query, timeout=_MEASURING)
            except TrackerApiError:  # a server that takes no such filter
                break
            found |= {str(run["info"]["run_id"]): _measured(run) for run in told.get("runs", [])}
        return found

    def find(self, run: str) -> tuple[str, str] | None:
        try:
            info = self._rest.call("GET", "/runs/get", {"run_id": run})["run"]["info"]
            return str(info["experiment_id"]), str(info["run_id"])
        except TrackerApiError:
            pass
        experiments = self._rest.call("POST", "/experiments/search", {"max_results": 1000}).get(
            "experiments", []
        )
        ids = [item["experiment_id"] for item in experiments]
        wanted = of_our_run(run)
        if wanted is None:
            return None
        query = {
            "experiment_ids": ids,
            "filter": wanted,
            "order_by": ["start_time ASC"],
            "max_results": 1,
        }
        runs: Any = self._rest.call("POST", "/runs/search", query).get("runs") if ids else None
        return (str(runs[0]["info"]["experiment_id"]), str(runs[0]["info"]["run_id"])) if runs else None

    def _end(self, run_id: str, status: str, timeout: float) -> None:
        body = {"run_id": run_id, "status": mlflow_status(status), "end_time": now_ms()}
        self._rest.call("POST", "/runs/update", body, timeout=timeout)

    def _lookup(self, name: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._rest.call(
                "GET", "/experiments/get-by-name", {"experiment_name": name}
            )["experiment"]
        except TrackerApiError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return found


def _measured(run: Mapping[str, Any]) -> Measured:
    data = run.get("data") or {}
    return (
        {str(item["key"]): value_of(item["value"]) for item in data.get("metrics") or ()},
        {str(item["key"]): str(item["value"]) for item in data.get("params") or ()},
    )
