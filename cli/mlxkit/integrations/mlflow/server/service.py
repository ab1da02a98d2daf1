"""What can be done with MLflow servers of one's own; the door for the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ....config.names import check_name
from ....config.paths import Project
from ....errors import MlxError
from ....stacks.components import ComponentService
from ....stacks.servers import DeployRecord, Provider, ServerRecord
from ..serving.state import LOG
from . import local, unfinished
from .options import check_options
from .places import shown_backend
from .planning import Plan, held, plan_local
from .store import ServerStore

_GENERATED = "mlflow_tracker"
_PATIENCE = 2.0  # seconds


class MlflowServers:
    """The MLflow servers of one project; implements `TrackerServers`."""

    def __init__(self, project: Project, waiting: Callable[[str], None]) -> None:
        self._store = ServerStore(project)
        self._waiting = waiting

    def deploy(
        self,
        name: str | None,
        provider: Provider,
        options: Mapping[str, str],
        *,
        dry_run: bool,
        confirm: Callable[[str], None],
    ) -> DeployRecord:
        """Make a server here, or write the files for one."""
        given = check_options(provider, options)
        name = self._free_name() if name is None else check_name(name, "experiment tracker")
        if provider != "local":
            from .files import serve_by_files

            return serve_by_files(
                name, provider, given, dry_run=dry_run, confirm=confirm, taken=self._store.ports(besides=name)
            )
        if sys.platform == "win32":
            raise MlxError("a server is not run on Windows by mlx", hint="use WSL, or --provider docker")
        plan = plan_local(self._store, name, given)
        if dry_run:
            return self._would_be(plan)
        if plan.is_open:
            confirm(f"listen on {plan.entry.host}, where others than this machine reach it?")
        with self._store.changing(name, patience=_PATIENCE):
            if self._store.is_unfinished(name):
                unfinished.clear(self._store, name)
            local.check_free(self._store, name, plan.entry.secret)
            with held(self._store, plan) as ready:
                return _record(ready, dry_run=False, notes=local.deploy(self._store, ready, self._waiting))

    def names(self) -> list[str]:
        """Return the names of the servers on this machine."""
        return self._store.names()

    def status(self, name: str) -> ServerRecord:
        """Look how a server is."""
        return local.status(self._store, name)

    def start(self, name: str) -> ServerRecord:
        """Serve again, and wait until it answers."""
        local.start(self._store, name, self._waiting)
        return self.status(name)

    def stop(self, name: str) -> ServerRecord:
        """End a server; of one whose deployment was interrupted nothing stays."""
        if self._store.is_unfinished(name):
            local.clear_unfinished(self._store, name)
            return ServerRecord(
                name,
                "mlflow",
                "stopped",
                "",
                reason="what its interrupted deployment had made is cleared away",
            )
        if not local.stop(self._store, name):
            self._waiting(f"{name} was not running")
        return self.status(name)

    def log(self, name: str) -> Path:
        """Return the file that a server writes its log to."""
        return self._store.folder(name) / LOG

    def _would_be(self, plan: Plan) -> DeployRecord:
        name = plan.entry.name
        if self._store.is_unfinished(name):  # cleared away before its port is needed
            if plan.entry.port and local.status(self._store, name).url == plan.entry.url:
                return _record(plan, dry_run=True, notes=plan.notes)
        else:
            local.check_free(self._store, name, plan.entry.secret)
        with held(self._store, plan) as ready:
            return _record(ready, dry_run=True, notes=plan.notes)

    def _free_name(self) -> str:
        taken = {found.name for found in ComponentService(self._store.project).list("experiment_tracker")}
        taken.update(self._store.names())
        name, number = _GENERATED, 1
        while name in taken or self._store.folder(name).exists():
            number += 1
            name = f"{_GENERATED}_{number}"
        return name


def _record(plan: Plan, *, dry_run: bool, notes: tuple[str, ...]) -> DeployRecord:
    entry = plan.entry
    return DeployRecord(
        entry.name, "mlflow", "local", dry_run, url=entry.url, secret=entry.secret,
        backend=shown_backend(entry.backend), artifacts=entry.artifacts, files=(str(plan.folder),),
        attributes=plan.attributes,
        next=(f"mlx stack register {entry.name}_stack -e {entry.name} --set", f"mlx tracker ui {entry.name}"),
        notes=notes,
    )  # fmt: skip
