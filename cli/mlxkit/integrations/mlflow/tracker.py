"""The experiment tracker flavor `mlflow`: a local SQLite store, a server, Databricks, or another database."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from ...errors import CredentialsError, UnreachableError
from ...stacks.protocols import FinalStatus, RunFacts, TrackerRun
from ...stacks.resolve import ResolvedComponent
from .backend import Backend, RestBackend
from .connection import Connection, connect
from .links import home_url, run_url
from .local_store import LocalStore, installed_version, local_store
from .probe import TrackerCheck, check, probe, probe_database, within
from .rest import PROBE_TIMEOUT, Rest, TrackerApiError
from .session import MlflowRunTracking


class MlflowTracker:
    """Logs runs to MLflow; cheap to make, and MLflow is imported by no method but a tracked step's."""

    def __init__(self, component: ResolvedComponent, state_dir: Path) -> None:
        self.connection: Connection = connect(component, state_dir)

    def preflight(self) -> None:
        """Check within two seconds that MLflow answers and takes the credentials, or raise."""
        if self._rest is not None:
            probe(self._rest, self.connection)
        elif self.connection.scenario == "database":
            probe_database(self.connection)

    def check(self) -> TrackerCheck:
        """Do what `preflight` does, and tell what was found out."""
        if self._rest is not None:
            return check(self._rest, self.connection)
        self.preflight()
        to = self.connection
        return TrackerCheck(to.name, to.scenario, to.shown_uri, installed_version(), "none needed")

    def open(self, run: RunFacts, on_open: Callable[[TrackerRun], None]) -> MlflowRunTracking:
        """Stand ready for a run; nothing is written before a step needs it."""
        return MlflowRunTracking(self.connection, lambda: self._backend, run, on_open)

    def close_orphan(self, run: TrackerRun, status: FinalStatus) -> bool:
        """End the MLflow run of a process that died; False when that cannot be done now."""
        if run.tracking_uri != self.connection.shown_uri:
            return False  # the tracker was pointed at another server since
        try:
            if self._store is not None and not self._store.database.exists():
                return True
            within(PROBE_TIMEOUT, lambda: self._close(run.run_id, status), self.connection)
        except (UnreachableError, CredentialsError, TrackerApiError):
            return False
        return True

    def url(self, run: str | None = None) -> str | None:
        """Return the UI's address: of a run, by MLflow's id or ours (None when there is none), or of all experiments."""
        if run is None:
            return home_url(self.connection)
        if self._store is not None and not self._store.database.exists():
            return None
        found = self._backend.find(run)
        return run_url(self.connection, *found) if found else None

    def _close(self, run_id: str, status: FinalStatus) -> bool:
        self._backend.close_orphan(run_id, status)
        return True

    @cached_property
    def _rest(self) -> Rest | None:
        return Rest(self.connection) if self.connection.scenario in ("server", "databricks") else None

    @cached_property
    def _store(self) -> LocalStore | None:
        return local_store(self.connection)

    @cached_property
    def _backend(self) -> Backend:
        if self._rest is not None:
            return RestBackend(self._rest, self.connection)
        if self._store is not None:
            from .sqlite_backend import SqliteBackend

            self._store.ensure()
            if SqliteBackend.understands(self._store):
                return SqliteBackend(self._store, self.connection)
        from .client_backend import ClientBackend

        return ClientBackend(self.connection, (self.connection.folder / "artifacts").absolute().as_uri())
