"""MLflow's own state in this process, taken over for a step and given back; imported only when MLflow is loaded."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from contextlib import ExitStack
from typing import Any

from ...errors import MlxError
from . import by_value, fluent, model_metrics, model_tags, params, races
from .auth import register_provider
from .autolog import AutologState
from .connection import Connection
from .divert import Diversion
from .local_store import quiet_migrations
from .requirements import Requirements

_TELEMETRY = "_MLFLOW_TELEMETRY_CLIENT"
SQL_STORE = "mlflow.store.tracking.sqlalchemy_store"
# What MLflow tells at its default level is how it makes experiments and tables; the user's own level stays.
_LEVELS = {"mlflow": logging.WARNING, "databricks.sdk": logging.ERROR}


class LibraryState:
    """MLflow, pointed at a tracker; `restore()` makes it what it was."""

    def __init__(self, to: Connection) -> None:
        import mlflow
        from mlflow.tracking import fluent as mlflow_fluent
        from mlflow.tracking._model_registry import utils as registry
        from mlflow.tracking._tracking_service import utils as tracking

        self._mlflow: Any = mlflow
        self._tracking: Any = tracking
        self._registry: Any = registry
        self._fluent: Any = mlflow_fluent
        self._to = to
        self._undo = ExitStack()  # runs all of it, whatever part of it fails
        try:
            self._take_over()
        except BaseException:
            self.restore()
            raise

    @property
    def is_ours(self) -> bool:
        """Say whether MLflow still points at the tracker: user code may have set another address."""
        return bool(self._tracking._tracking_uri == self._to.tracking_uri)

    @property
    def has_store(self) -> bool:
        """Say whether MLflow has a store for the tracker in this process: asking it for one would make it, database and all."""
        if self._to.scenario in ("local", "database"):
            store = getattr(sys.modules.get(SQL_STORE), "SqlAlchemyStore", None)
            return self._to.tracking_uri in getattr(store, "_engine_map", ())
        known = self._tracking._tracking_store_registry._get_store_with_resolved_uri
        return bool(known.cache_info().currsize)

    def use_experiment(self, experiment_id: str) -> None:
        """Make an experiment the active one."""
        self._fluent._active_experiment_id = experiment_id

    def watch_sql_store(self) -> None:
        """Divert the writing in the SQL store, which is loaded late; called when it has been."""
        store = getattr(sys.modules.get(SQL_STORE), "SqlAlchemyStore", None)
        if store is not None:
            self._divert_writing(store)

    def restore(self) -> None:
        """Give MLflow back as it was."""
        self._undo.close()

    def _take_over(self) -> None:
        self._set(self._fluent, "_active_experiment_id", None)
        self._set(self._registry, "_registry_uri", self._to.registry_uri)
        self._undo.callback(self._mlflow.set_tracking_uri, self._tracking._tracking_uri)
        self._mlflow.set_tracking_uri(self._to.tracking_uri)
        self._undo.callback(AutologState.now().restore)
        self._be_quiet()
        self._end_telemetry()
        if self._to.scenario == "server":
            register_provider()
        try:
            for function, instead in (
                *fluent.diversions(self._fluent),
                *model_tags.diversions(),
                *model_metrics.diversions(self._fluent),
                *by_value.diversions(),
            ):
                self._divert(function, instead)
            if self._to.scenario in ("local", "database"):
                self._divert(self._tracking._get_sqlalchemy_store, self._keep_artifacts_here)
            from mlflow.store.tracking.rest_store import RestStore
            from mlflow.utils.requirements_utils import _capture_imported_modules

            self._divert_writing(RestStore)
            self._divert(_capture_imported_modules, Requirements(self._to.folder).imported_modules)
        except (AttributeError, ImportError, TypeError) as error:
            raise MlxError(
                f"MLflow {self._mlflow.__version__} has changed inside, and this version of mlx cannot track with it ({error})",
                hint="pip install --upgrade mlxkit",
            ) from error
        self.watch_sql_store()

    def _end_telemetry(self) -> None:
        """Have MLflow send nothing about the use of it, also where it was imported before the variable was set.

        It asks for its settings in a thread that imports, while autologging imports with MLflow's own lock: each would
        wait for the other.
        """
        telemetry = sys.modules.get("mlflow.telemetry.client")
        if getattr(telemetry, _TELEMETRY, None) is not None:
            self._set(telemetry, _TELEMETRY, None)

    def _set(self, module: Any, name: str, value: Any) -> None:
        self._undo.callback(setattr, module, name, getattr(module, name))
        setattr(module, name, value)

    def _be_quiet(self) -> None:
        self._undo.enter_context(quiet_migrations())
        for name, level in _LEVELS.items():
            logger = logging.getLogger(name)
            if name != "mlflow" or (
                logger.level == logging.INFO and "MLFLOW_LOGGING_LEVEL" not in os.environ
            ):
                self._undo.callback(logger.setLevel, logger.level)
                logger.setLevel(level)
        if self._to.insecure_tls:
            # Said when the tracker was registered; urllib3 would say it again with every single request.
            self._undo.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", message="Unverified HTTPS request")

    def _divert(self, function: Any, instead: Any) -> None:
        self._undo.callback(Diversion(function, instead).undo)

    def _divert_writing(self, store: Any) -> None:
        self._divert(store.log_param, params.log_param)
        self._divert(store.log_batch, params.log_batch)
        for method, instead in races.diversions(store):
            self._divert(method, instead)

    def _keep_artifacts_here(self, original: Any, store_uri: str, artifact_uri: str | None) -> Any:
        """Never ./mlruns: what an experiment without a location of its own gets belongs beside the database."""
        return original(store_uri, artifact_uri or (self._to.folder / "artifacts").absolute().as_uri())
