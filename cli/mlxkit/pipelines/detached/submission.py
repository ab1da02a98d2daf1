"""`mlx run --detach`: everything that has to be true of it is checked here, then the cluster is given the run."""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from ...artifacts.store import ArtifactStore, EntryStore
from ...config.active import choose_stack
from ...config.document import read_bytes, read_config
from ...config.model import ComponentEntry, Config
from ...config.paths import project_at
from ...dataclass import dataclass
from ...errors import ConfigError, UsageError
from ...records import Record
from ...runs.code import capture_code
from ...runs.detached.entries import forget_entries, submitted_name
from ...runs.detached.place import Place
from ...runs.records import RunRecord
from ...runs.sources import COUNT_LIMIT, FILE_LIMIT, put
from ...secrets.masking import known_values
from ...secrets.names import is_user_name
from ...secrets.references import find
from ...stacks.attributes import plain_credentials, texts
from ...stacks.checks import check_stack, find_component
from ...stacks.components import ComponentService
from ...stacks.credentials import moving
from ...stacks.flavors import get_flavor
from ...stacks.jobs import JobFacts, Jobs
from ...stacks.membership import stack_components
from ..beginning import project_root
from ..body import new_id
from ..invocation import KEY, invocation_of
from ..masked import masked_run
from ..session import Session
from .job import Job
from .package import Package
from .places import jobs_of_stack, made, refuse_unreachable
from .words import Words, refuse_secrets

_OURS = (
    "auth_token",
    "dashboard",
    "ship",
    "pip",
    "env_vars",
)  # how the job gets there, not what it does there
_SCANNED = 1 << 20  # bytes of a file that is looked through for secrets


@dataclass(frozen=True)
class Submission(Record):
    """What a detached run would be, or is: where it goes, what travels, and which references the cluster resolves."""

    run: str
    name: str
    stack: str
    orchestrator: str
    address: str
    job: str
    command: str
    files: int
    size: int
    references: tuple[str, ...] = ()


@dataclass
class Submitter:
    """One run to be handed over; making it checks everything and changes nothing."""

    session: Session
    words: Words
    run_id: str = field(default_factory=new_id)
    called: datetime = field(default_factory=datetime.now)

    def __post_init__(self) -> None:
        session = self.session
        self.config: Config = read_config(session.project)
        self.stack = choose_stack(session.project, self.config, session.stack_name).name
        self.entries = self._entries()
        self.jobs: Jobs = jobs_of_stack(session, self.entries["orchestrator"])
        self.references = self._references()
        self.root = project_root(session).resolve()
        self.package = Package.of(self.root)
        state_dir = session.project.state_dir if self.jobs.is_here else None
        self.line = self.words.line(self.root, self.stack, self.run_id, state_dir)
        for path in (self.words.target.file, self.words.config):
            if path is not None:
                self.package.require(path)
        words = self.words
        said = [*words.parameters, *words.extra, *(words.passed), *words.tags, words.name or ""]
        refuse_secrets(self.line, session.options.parameters, said, session.options.config.text)
        self._refuse_secret_files()
        self.store = self._reached_store()
        self.jobs.check()

    @property
    def told(self) -> Submission:
        """What is to be said of it."""
        return Submission(
            self.run_id, self._name, self.stack, self.place.orchestrator, self.place.address, self.place.job, self.line,
            len(self.package.files), self.package.size, self.references,
        )  # fmt: skip

    @property
    def place(self) -> Place:
        """Where the run will go on."""
        return Place(
            run=self.run_id, job=f"mlx-{self.run_id}", address=self.jobs.address, is_here=self.jobs.is_here,
            orchestrator=self.entries["orchestrator"].name, stack=self.stack,
        )  # fmt: skip

    def submit(self) -> Submission:
        """Write the run into history, and start the job; where that fails nothing is left behind."""
        session, history = self.session, self.session.history
        record = self._record()
        history.begin_run(record, {}, "")
        try:
            if self.store is not None:
                job = Job(self.place, record.code, record.metadata[KEY], record.name)
                self.store.put_entry(
                    submitted_name(self.run_id), json.dumps(job.told(), default=str).encode()
                )
            with tempfile.TemporaryDirectory(prefix="mlx-") as folder:
                package = Path(folder) / "project.zip"
                self.package.write(package, self._config_there(Path(folder)))
                self.jobs.submit(JobFacts(self.place.job, self.line, package, {"mlx_run": self.run_id}))
        except BaseException:
            with suppress(Exception):
                self.jobs.stop(self.place.job)
            with suppress(Exception):
                if self.store is not None:
                    forget_entries(self.store, self.run_id)
            from ...runs.deletion import delete_runs
            from ...runs.queries import RunQueries

            history.finish_run(self.run_id, "failed")
            delete_runs(history, [RunQueries(history).get(self.run_id)])
            raise
        session.made.append(self.run_id)
        return self.told

    def _entries(self) -> dict[str, ComponentEntry]:
        chosen = stack_components(self.config, self.stack)
        if self.session.forced_tracker:
            chosen["experiment_tracker"] = self.session.forced_tracker
        entries = {kind: find_component(self.config, kind, name) for kind, name in chosen.items()}
        check_stack(self.config, self.stack, list(entries.values()))
        return entries

    def _references(self) -> tuple[str, ...]:
        """Return the references that the job has to resolve: all but those of how we reach the cluster.

        Those that can be resolved here become known, so that none of them travels by accident.
        """
        for kind, entry in self.entries.items():
            with suppress(Exception):  # the cluster may have secrets that this machine has not
                ComponentService(self.session.project).resolved(kind, entry.name, self.session.secrets)
        found = [
            str(reference)
            for kind, entry in self.entries.items() if kind != "orchestrator"
            for _, text in texts(entry.attributes) for reference in find(text)
        ]  # fmt: skip
        return tuple(dict.fromkeys(found))

    def _refuse_secret_files(self) -> None:
        """Refuse what would lay a secret open in the package: it is kept by the cluster, readable for its users."""
        for entries in self.config.components.values():
            for entry in entries.values():
                flavor = get_flavor(entry.kind, entry.flavor)
                plain = [key for key in plain_credentials(flavor, entry.attributes) if not is_user_name(key)]
                if plain:
                    raise ConfigError(
                        f"{self.config.where(entry.line)}: {' and '.join(plain)} of {entry.name} is there in plain text, "
                        "and mlx.yaml travels with a detached run",
                        hint="\n  ".join(moving(flavor, entry.name, plain)),
                    )
        known = [value.encode("utf-8", "surrogatepass") for value in known_values()]
        for name in self.package.files if known else ():
            path = self.root / name
            if path.stat().st_size > _SCANNED:
                continue
            content = path.read_bytes()
            if any(value in content for value in known):
                raise UsageError(
                    f"{name} holds a secret in plain text, and would travel with the run",
                    hint="name it in .rayignore, or write <<name.key>> in its place",
                )

    def _reached_store(self) -> EntryStore | None:
        """Return the store that the job can tell of itself in; refuse a store or tracker that it cannot reach."""
        entry = self.entries["artifact_store"]
        store: ArtifactStore = made(self.session, entry)
        can_tell = hasattr(store, "put_entry") and cast(EntryStore, store).is_shared
        if not self.jobs.is_here:
            refuse_unreachable(self.jobs.address, entry, can_tell, self.entries.get("experiment_tracker"))
        return cast(EntryStore, store) if can_tell else None

    @property
    def _name(self) -> str:
        named, now = self.session.options.name, self.called
        if named is not None:
            return named.replace("{date}", f"{now:%Y_%m_%d}").replace("{time}", f"{now:%H_%M_%S_%f}")
        return f"{self._pipeline}-{now:%Y_%m_%d-%H_%M_%S_%f}"

    @property
    def _pipeline(self) -> str:
        return self.words.target.pipeline or self.words.target.file.stem

    def _record(self) -> RunRecord:
        """Return what is known of the run before it begins; the job says what it is called, and the rest."""
        session, target = self.session, self.words.target
        told = invocation_of(session.options, target, self.words.passed, self.words.extra)
        invocation = {"root": str(self.root), **told, "call": 1}
        parameters = {name: text.value for name, text in session.options.parameters.items()}
        return masked_run(RunRecord(
            id=self.run_id, name=self._name, pipeline=self._pipeline, stack=self.stack, status="running", started=time.time(),
            file=str(target.file.resolve().relative_to(self.root)), parameters=parameters, code=self._code(),
            metadata={KEY: invocation, **self.place.noted()}, tags=tuple(session.options.tags),
        ))  # fmt: skip

    def _code(self) -> Mapping[str, Any]:
        """Return the state of the code, which the cluster has no repository of; what git has not is kept here."""
        code = dict(capture_code(self.root))
        file = self.words.target.file
        code["digest"] = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        if code.get("is_exact"):
            return code
        base = Path(str(code.get("root") or self.root)).resolve()
        kept = {}
        for name in [name for name in self.package.files if name.endswith(".py")][:COUNT_LIMIT]:
            content = (self.root / name).read_bytes()
            if len(content) <= FILE_LIMIT:
                kept[str((self.root / name).relative_to(base))] = put(
                    self.session.state_dir / "sources", content
                )
        return {**code, "base": str(base), "sources": kept}

    def _config_there(self, folder: Path) -> bytes:
        """Return mlx.yaml as the job needs it: its orchestrator is the cluster that it runs on, which asks no token of it."""
        content = read_bytes(self.session.project) or b""
        entry = self.entries["orchestrator"]
        project = project_at(folder / "mlx.yaml")
        project.config_path.write_bytes(content)
        gone = [name for name in _OURS if name in entry.attributes]
        ComponentService(project).update("orchestrator", entry.name, {"address": "auto"}, remove=gone)
        return project.config_path.read_bytes()
