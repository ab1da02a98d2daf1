"""Models that a run keeps among its artifacts, as MLflow 2 did: a folder with an `MLmodel` file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

from ....stacks.registries import LoggedModel, TrackedRun
from .rules import LOG_HISTORY

_DEPTH, _FOLDERS = 3, 100


def models_among_artifacts(
    run: TrackedRun, files: Callable[[str], list[tuple[str, bool]]]
) -> list[LoggedModel]:
    """Return the models in the folders of a run, and those that MLflow noted on it where folders cannot be listed."""
    noted = dict(_noted(run.tags.get(LOG_HISTORY, "")))
    paths = list(_folders_with_models(files)) or list(noted)
    return [
        LoggedModel(
            name=path,
            uri=f"runs:/{run.run_id}/{path}",
            run_id=run.run_id,
            created=noted.get(path) or run.ended or run.started,
        )
        for path in paths
    ]


def _folders_with_models(files: Callable[[str], list[tuple[str, bool]]]) -> Iterator[str]:
    left, looked_at = [("", 0)], 0
    while left and looked_at < _FOLDERS:
        folder, depth = left.pop(0)
        looked_at += 1
        listed = files(folder)
        if folder and (f"{folder}/MLmodel", False) in listed:
            yield folder
        elif depth < _DEPTH:
            left += [(path, depth + 1) for path, is_folder in sorted(listed) if is_folder and path != folder]


def _noted(history: str) -> Iterator[tuple[str, float]]:
    try:
        entries: Any = json.loads(history or "[]")
    except ValueError:
        return
    for entry in entries if isinstance(entries, list) else ():
        path = entry.get("artifact_path") if isinstance(entry, dict) else None
        if isinstance(path, str) and path:
            yield path, _time(entry.get("utc_time_created"))


def _time(text: Any) -> float:
    try:
        return datetime.fromisoformat(str(text)).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return 0.0
