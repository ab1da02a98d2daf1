"""A forked child of this process: it never writes on a socket or a SQLite connection of its parent.

SQLite's table of open files is inherited with the memory. A child that opens a file of its own which the parent had
open at the time of the fork takes no lock on it, and the parent, when it closes, removes the log under the child's
writes. So no idle connection is open while a process forks, and our own short calls are waited for, as are imports:
MLflow's threads import while they log.

What points MLflow at a tracker stays in a child that a running step forks, which logs to the step's run; any other
child starts as if no tracker had ever been used.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from . import active
from .inject import injection

_WAITING = 25.0  # seconds: SQLite itself waits for 20 for another process
_IDLE = 1.0  # seconds to wait for calls of MLflow's own that other threads are in
_SQL_STORES = ("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store")
_REGISTRIES = ("mlflow.tracking._tracking_service", "mlflow.tracking._model_registry")

_held = threading.local()  # locks: what the thread that forks holds
_left: list[
    Any
] = []  # connections of the parent that were in use: closing them here would undo what it writes


class _Calls:
    """The lock around our own calls to SQLite files; another one in a forked child."""

    def __init__(self) -> None:
        self.lock = threading.RLock()


calls = _Calls()


def forget_after_fork() -> None:
    """Make a forked child independent of its parent; called in every child, before anything else runs there."""
    calls.lock = threading.RLock()
    injection.renew_lock()
    active.renew_lock()
    with suppress(Exception):  # of MLflow's inner parts; a child that never logs is none the worse
        _forget_connections()
    if not active.is_any():
        forget_what_was_inherited()


def forget_what_was_inherited() -> None:
    """Give up the steps and the tracker that a parent process had in use, and MLflow's state with them."""
    if injection.is_inherited:
        active.forget()
        with suppress(Exception):
            injection.forget()


def _before() -> None:
    _held.locks = []
    for lock in (injection.turn, calls.lock):
        if lock.acquire(timeout=_WAITING):
            _held.locks.append(lock)
    with suppress(Exception):
        _close_idle_connections()
    limit = time.monotonic() + _WAITING
    while _is_imported_elsewhere() and time.monotonic() < limit:
        time.sleep(0.005)


def _is_imported_elsewhere() -> bool:
    """Say whether another thread is in the middle of an import, which a child would wait for without end."""
    locks = getattr(importlib._bootstrap, "_module_locks", {})
    owners = {getattr(reference(), "owner", None) for reference in list(locks.values())}
    return bool(owners - {None, threading.get_ident()})


def _after_in_parent() -> None:
    for lock in getattr(_held, "locks", ()):
        lock.release()
    _held.locks = []


def _close_idle_connections() -> None:
    limit = time.monotonic() + _IDLE
    for engine in _engines():
        while engine.pool.checkedout() and time.monotonic() < limit:
            time.sleep(0.005)
        engine.dispose()


def _forget_connections() -> None:
    _left.extend(_engines())
    for store in _sql_stores():
        store._engine_map, store._engine_map_lock = {}, threading.Lock()
    for package in _REGISTRIES:
        utils: Any = sys.modules.get(f"{package}.utils")
        registry: Any = sys.modules.get(f"{package}.registry")
        if registry is not None and hasattr(registry, "_building_store_lock"):
            registry._building_store_lock = threading.Lock()
        # The queues of what is logged in the background have no thread here.
        for name in ("_tracking_store_registry", "_model_registry_store_registry"):
            known = getattr(utils, name, None)
            if known is not None:
                known._get_store_with_resolved_uri.cache_clear()
        getattr(utils, "_artifact_repos_cache", {}).clear()
    fluent = sys.modules.get("mlflow.tracking.fluent")
    if fluent is not None:
        fluent.run_id_to_system_metrics_monitor.clear()


def _engines() -> list[Any]:
    return [engine for store in _sql_stores() for engine in list(store._engine_map.values())]


def _sql_stores() -> list[Any]:
    found = (getattr(sys.modules.get(name), "SqlAlchemyStore", None) for name in _SQL_STORES)
    return [store for store in found if store is not None]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=forget_after_fork)
