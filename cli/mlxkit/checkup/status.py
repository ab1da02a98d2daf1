"""Where a project stands: said from what is on this machine, without a server, a keyring or a write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from typing import Any

from ..config.active import choose_stack, chosen_by
from ..config.document import read_config
from ..config.kinds import KINDS
from ..config.model import ComponentEntry
from ..config.paths import Project, find_project
from ..dataclass import dataclass
from ..errors import MlxError
from ..records import Record
from ..runs.detached.place import Place
from ..runs.history import History, history_path
from ..runs.liveness import is_alive
from ..runs.queries import RunQueries
from ..runs.records import RunRecord
from ..stacks.addresses import without_credentials
from ..stacks.credentials import missing_secrets
from ..stacks.membership import stack_entries

_ORIGINS = {
    "MLX_CONFIG": "named by MLX_CONFIG",
    "project": "of this project",
    "user": "your own: no mlx.yaml here or above",
}


@dataclass(frozen=True)
class ComponentStatus(Record):
    """A component of the active stack; `address` is where it points to, without credentials."""

    name: str
    flavor: str
    address: str


@dataclass(frozen=True)
class Status(Record):
    """The configuration, the active stack and who chose it, its components, the last run and what is wrong.

    `stack` is empty when none can be chosen; `problems` then says why. `last_run` has the keys of a run.
    """

    config: str
    config_exists: bool
    origin: str
    state: str
    stack: str
    stack_source: str
    components: Mapping[str, ComponentStatus] = field(default_factory=dict)
    last_run: RunRecord | None = None
    running: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def said(self) -> list[tuple[str, str]]:
        """Return what a person reads: a word and a sentence a line."""
        written = "" if self.config_exists else "; not written yet"
        lines = [("config", f"{self.config} ({_ORIGINS[self.origin]}{written})")]
        if self.stack:
            source = chosen_by(self.stack_source, self.config)
            lines.append(("stack", f"{self.stack} (chosen by {source})"))
        for kind, component in self.components.items():
            address = component.address
            if not address and kind == "experiment_tracker":
                address = "on this machine; mlx tracker ui shows it"
            lines.append((KINDS[kind].command, f"{component.name} ({component.flavor}) {address}".rstrip()))
        lines.append(("last run", _said_of(self.last_run)))
        lines += [("running", name) for name in self.running]
        return lines


def status_of(project: Project | None = None, stack: str | None = None) -> Status:
    """Return where a project stands; raises ConfigError when its configuration cannot be read."""
    project = project or find_project()
    config = read_config(project)
    name, source, problems = "", "", []
    try:
        chosen = choose_stack(project, config, stack)
        name, source = chosen.name, chosen.source
    except MlxError as error:
        problems.append(error.message)
    entries = list(stack_entries(config, name)) if name else []
    problems += [warning for entry in entries for warning in missing_secrets(entry.attributes)]
    last: RunRecord | None = None
    running: tuple[str, ...] = ()
    try:
        last, running = _runs(project)
    except MlxError as error:
        problems.append(error.message)
    return Status(
        config=config.shown, config_exists=project.config_path.is_file(), origin=project.origin, state=str(project.state_dir),
        stack=name, stack_source=source, components={entry.kind: _component(entry) for entry in entries},
        last_run=last, running=running, problems=tuple(problems),
    )  # fmt: skip


def _component(entry: ComponentEntry) -> ComponentStatus:
    """Show a component by the first of its attributes that says where it is."""
    places = ("tracking_uri", "databricks_host", "path", "address")
    found: Iterable[Any] = (entry.attributes.get(name) for name in places)
    address = next((str(value) for value in found if value), "")
    return ComponentStatus(entry.name, entry.flavor, without_credentials(address))


def _runs(project: Project) -> tuple[RunRecord | None, tuple[str, ...]]:
    """Return the newest run, and the names of those that go on: whose process lives, or whose cluster knows."""
    if not history_path(project.state_dir).exists():
        return None, ()
    history = History.to_read(project.state_dir)
    try:
        last = next(iter(RunQueries(history).list(limit=1)), None)
        running = RunQueries(history).list(status="running")
        alive = {run.id: run.name for run in running if Place.of(run) or is_alive(history.alive_dir, run.id)}
    finally:
        history.close()
    if last is not None and last.status == "running" and last.id not in alive:
        last = replace(last, status="interrupted")  # nobody has written it down yet
    return last, tuple(alive.values())


def _said_of(run: RunRecord | None) -> str:
    return "none yet; mlx run FILE makes one" if run is None else f"{run.name} {run.status} ({run.id})"
