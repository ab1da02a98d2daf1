"""The experiment tracker flavor `mlflow`: a local SQLite store, a server, Databricks, or another database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import MlxError
from ...secrets.masking import mask_text
from ...stacks.addresses import bare_address
from ...stacks.protocols import ClientEnvironment, CurvePoint, FinalStatus, Measured, RunFacts, TrackerRun
from ...stacks.resolve import ResolvedComponent
from .backend import Backend
from .connection import Connection, connect
from .links import home_url, run_url
from .local_store import LocalStore, installed_version, local_store
from .session import MlflowRunTracking

if TYPE_CHECKING:
    from ...stacks.registries import TrackedRun
    from ...stacks.teams import TeamQuestion
    from .handed import HandedOver
    from .probe import TrackerCheck
    from .rest import Rest

_HISTORY_TIMEOUT = 10.0  # seconds for one page


class MlflowTracker:
    """Logs runs to MLflow; cheap to make, and MLflow is imported by no method but a tracked step's."""

    def __init__(self, component: ResolvedComponent, state_dir: Path) -> None:
        self.connection: Connection = connect(component, state_dir)

    def preflight(self) -> None:
        """Check within two seconds that MLflow answers and takes the credentials, or raise."""
        if self._store is not None:
            self._store.check()
            return
        from .probe import probe, probe_database

        if self._rest is not None:
            probe(self._rest, self.connection)
        else:
            probe_database(self.connection)

    def check(self) -> TrackerCheck:
        """Do what `preflight` does, and tell what was found out."""
        from .probe import TrackerCheck, check

        if self._rest is not None:
            return check(self._rest, self.connection)
        if self._store is not None:
            self._store.examine()
        else:
            self.preflight()
        to = self.connection
        return TrackerCheck(
            to.name, to.scenario, bare_address(to.tracking_uri), installed_version(), "none needed"
        )

    def open(self, run: RunFacts, on_open: Callable[[TrackerRun], None]) -> MlflowRunTracking:
        """Stand ready for a run; nothing is written before a step needs it."""
        return MlflowRunTracking(self.connection, lambda: self._backend, run, on_open)

    def join(self, handed: HandedOver, on_open: Callable[[TrackerRun], None]) -> MlflowRunTracking:
        """Log steps to the runs of the process that handed them over; what this one inherited of another is forgotten."""
        from .forking import forget_what_was_inherited
        from .joined import JoinedRunTracking

        forget_what_was_inherited()
        return JoinedRunTracking(self.connection, lambda: self._backend, handed, on_open)

    def close_orphan(self, run: TrackerRun, status: FinalStatus) -> bool:
        """End the MLflow run of a process that died; False when that cannot be done now."""
        if run.tracking_uri != self.connection.shown_uri:
            return False  # the tracker was pointed at another server since
        if self._store is not None and not self._store.database.exists():
            return True
        from .probe import PROBE_TIMEOUT, within

        try:
            return within(PROBE_TIMEOUT, lambda: self._close(run.run_id, status), self.connection)
        except MlxError:
            return False

    def measures_of(self, run: TrackerRun) -> Measured:
        """Return the final metrics and params of one MLflow run; raises when there is no answer in time."""
        from .probe import PROBE_TIMEOUT, within

        found = within(PROBE_TIMEOUT, lambda: self._backend_as_it_is.measures([run.run_id]), self.connection)
        metrics, params = found.get(run.run_id, ({}, {}))
        return metrics, {key: mask_text(value) for key, value in params.items()}

    def curves(
        self, tracker_run_ids: Sequence[str], keys: Sequence[str] | None = None
    ) -> Mapping[str, Sequence[CurvePoint]]:
        """Return every value that metrics had, of the first of the runs that logged them; raises when there is no answer."""
        from .curves import client_curves, rest_curves, sqlite_curves

        found = None
        if self._store is None:
            self.preflight()  # says within two seconds that a server is down
        if self._rest is not None:
            found = rest_curves(self._rest, tracker_run_ids, keys, _HISTORY_TIMEOUT)
        elif self._store is not None:
            found = sqlite_curves(self._store, tracker_run_ids, keys)
        return client_curves(self.connection.tracking_uri, tracker_run_ids, keys) if found is None else found

    def team_runs(self, question: TeamQuestion) -> Iterator[TrackedRun]:
        """Return the runs of everybody that fit, read page by page; raises within seconds when there is no answer."""
        from .team import client_runs, rest_runs

        self.preflight()
        found = None
        if self._rest is not None:
            found = rest_runs(self._rest, self.connection, question)
        elif self._store is not None:
            from .team_sqlite import sqlite_runs

            found = sqlite_runs(self._store, self.connection, question)
        return client_runs(self.connection, question) if found is None else found

    def url(self, run: str | None = None) -> str | None:
        """Return the UI's address: of a run, by MLflow's id or ours (None when there is none), or of all experiments."""
        if run is None:
            return home_url(self.connection)
        if self._store is not None and not self._store.database.exists():
            return None
        found = self._backend_as_it_is.find(run)
        return run_url(self.connection, *found) if found else None

    def environment(self) -> ClientEnvironment:
        """Return what another program needs in its environment to log here by itself."""
        from .client_environment import client_environment

        return client_environment(self.connection)

    def show_ui(self, port: int | None, ready: Callable[[str], None]) -> None:
        """Call `ready` with the UI's address; a store without a server gets one until Ctrl-C."""
        if self._rest is not None:
            ready(home_url(self.connection))
            return
        if self._store is not None:
            self._store.ensure()
        from .ui import serve_ui

        serve_ui(self.connection, port, ready)

    def _close(self, run_id: str, status: FinalStatus) -> bool:
        self._backend_as_it_is.close_orphan(run_id, status)
        return True

    @cached_property
    def _rest(self) -> Rest | None:
        if self.connection.scenario not in ("server", "databricks"):
            return None
        from .rest import Rest  # with http.client and ssl, which the local store does without

        return Rest(self.connection)

    @cached_property
    def _store(self) -> LocalStore | None:
        return local_store(self.connection)

    @cached_property
    def _backend(self) -> Backend:
        """What runs are written with; a local database is made, or migrated, before."""
        if self._store is not None:
            self._store.ensure()
        return self._backend_as_it_is

    @cached_property
    def _backend_as_it_is(self) -> Backend:
        if self._rest is not None:
            from .rest_backend import RestBackend

            return RestBackend(self._rest, self.connection)
        if self._store is not None:
            from .sqlite_backend import SqliteBackend

            if SqliteBackend.understands(self._store):
                return SqliteBackend(self._store, self.connection)
        from .client_backend import ClientBackend

        return ClientBackend(self.connection, (self.connection.folder / "artifacts").absolute().as_uri())
