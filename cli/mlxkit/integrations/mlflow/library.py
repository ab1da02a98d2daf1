"""MLflow's own state in this process, taken over for a step and given back; imported only when MLflow is loaded."""

from __future__ import annotations

import logging
import sys
from typing import Any

from ...errors import MlxError
from . import fluent, params
from .auth import register_provider
from .autolog import AutologState
from .connection import Connection
from .divert import Diversion

SQL_STORE = "mlflow.store.tracking.sqlalchemy_store"
_NOISY = ("alembic", "databricks.sdk")


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
        self._uri = tracking._tracking_uri
        self._registry_uri = registry._registry_uri
        self._experiment = mlflow_fluent._active_experiment_id
        self._levels = [(logging.getLogger(name), logging.getLogger(name).level) for name in _NOISY]
        self._autolog = AutologState.now()
        self._diversions: list[Diversion] = []
        try:
            self._take_over()
        except BaseException:
            self.restore()
            raise

    @property
    def is_ours(self) -> bool:
        """Say whether MLflow still points at the tracker: user code may have set another address."""
        return bool(self._tracking._tracking_uri == self._to.tracking_uri)

    def use_experiment(self, experiment_id: str) -> None:
        """Make an experiment the active one."""
        self._fluent._active_experiment_id = experiment_id

    def watch_sql_store(self) -> None:
        """Divert the writing of params in the SQL store, which is loaded late; called when it has been."""
        store = sys.modules.get(SQL_STORE)
        if store is not None:
            self._divert_params(store.SqlAlchemyStore)

    def restore(self) -> None:
        """Give MLflow back as it was."""
        for diversion in reversed(self._diversions):
            diversion.undo()
        self._diversions.clear()
        self._autolog.restore()
        self._mlflow.set_tracking_uri(self._uri)
        self._registry._registry_uri = self._registry_uri
        self._fluent._active_experiment_id = self._experiment
        for logger, level in self._levels:
            logger.setLevel(level)

    def _take_over(self) -> None:
        for logger, _ in self._levels:
            logger.setLevel(logging.ERROR)
        self._mlflow.set_tracking_uri(self._to.tracking_uri)
        self._registry._registry_uri = self._to.registry_uri
        self._fluent._active_experiment_id = None
        if self._to.scenario == "server":
            register_provider()
        try:
            for function, instead in fluent.diversions(self._fluent):
                self._diversions.append(Diversion(function, instead))
            if self._to.scenario in ("local", "database"):
                self._diversions.append(
                    Diversion(self._tracking._get_sqlalchemy_store, self._keep_artifacts_here)
                )
            from mlflow.store.tracking.rest_store import RestStore

            self._divert_params(RestStore)
        except (AttributeError, ImportError, TypeError) as error:
            raise MlxError(
                f"MLflow {self._mlflow.__version__} has changed inside, and this version of mlx cannot track with it ({error})",
                hint="pip install --upgrade mlxkit",
            ) from error
        self.watch_sql_store()

    def _divert_params(self, store: Any) -> None:
        self._diversions.append(Diversion(store.log_param, params.log_param))
        self._diversions.append(Diversion(store.log_batch, params.log_batch))

    def _keep_artifacts_here(self, original: Any, store_uri: str, artifact_uri: str | None) -> Any:
        """Never ./mlruns: what an experiment without a location of its own gets belongs beside the database."""
        return original(store_uri, artifact_uri or (self._to.folder / "artifacts").absolute().as_uri())
