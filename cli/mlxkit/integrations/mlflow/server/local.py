"""Servers on this machine: made as a whole or not at all, started again, stopped."""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from ....config.files import make_private_dir, write_atomic
from ....errors import AlreadyExistsError, ConfigError, CredentialsError, MlxError, UnreachableError
from ....secrets.service import SecretService
from ....secrets.value import SecretValue
from ....stacks.components import ComponentService
from ....stacks.servers import INTERRUPTED, ServerRecord
from ....stacks.trackers import open_tracker
from ..connection import Connection, sqlite_uri
from ..serving.state import holder
from . import process, unfinished
from .disk import database_problem
from .entry import ADMIN, FILE, ServerEntry, read_entry
from .environment import AUTH_FILE, auth_file
from .ownership import proof_of
from .places import is_bucket, need_driver, need_store, shown_backend, with_driver
from .planning import Plan, check_backend, claim_again, need_auth
from .store import UNFINISHED, ServerStore
from .tls import make
from .undo import Undo
from .unfinished import KIND, Mark

_AUTH_DATABASE = "auth.db"
_MOMENT = 2.0  # seconds
_ATTEMPTS = 5  # at a first call that a busy machine answers late


def check_free(store: ServerStore, name: str, secret: str) -> None:
    """Raise AlreadyExistsError for a tracker, a secret or a server of that name; only look."""
    folder = store.folder(name)
    if name in store.names():
        raise AlreadyExistsError(
            f"a server of tracker {name!r} is deployed already; its data is in {folder}",
            hint=f"mlx tracker start {name}",
        )
    if folder.exists():
        raise AlreadyExistsError(
            f"{folder} is in the way", hint=f"move {folder} away, or choose another name"
        )
    if any(found.name == name for found in ComponentService(store.project).list(KIND)):
        raise AlreadyExistsError(
            f"experiment tracker {name!r} already exists", hint="choose another name, or: mlx tracker list"
        )
    if secret in SecretService().names():
        raise AlreadyExistsError(
            f"secret {secret!r}, which would hold the password, already exists",
            hint=f"mlx secret delete {secret}, or choose another name",
        )


def deploy(store: ServerStore, plan: Plan, waiting: Callable[[str], None]) -> tuple[str, ...]:
    """Make the server, its secret and its tracker, and test them; return notes. The caller holds the lock."""
    entry, folder = plan.entry, plan.folder
    vault, components = SecretService(), ComponentService(store.project)
    password, secret_key = secrets.token_urlsafe(24), secrets.token_hex(32)
    SecretValue(password), SecretValue(secret_key)  # known from now on to everything that masks output
    database, outside = _database(plan), dict.fromkeys(map(str, _outside(plan)), "")
    mark = Mark(entry.secret, proof_of(secret_key), entry.url, outside)
    with Undo() as undo:
        undo.note(
            f"what was made of it; mlx tracker stop {entry.name} clears it away",
            lambda: unfinished.clear(store, entry.name, mark),
        )
        make_private_dir(folder)
        unfinished.write_mark(folder, mark)
        vault.create(entry.secret, {"username": ADMIN, "password": password, "secret_key": secret_key})
        if plan.tls is not None and plan.tls.is_made:
            make(plan.tls, entry.host, entry.allowed_hosts)
        unfinished.make_outside(folder, mark, database)
        write_atomic(folder / FILE, entry.dumped())
        waiting(f"starting the server of {entry.name}")
        with _nothing_left():
            started = _launch_first(plan, {**_told(entry), "password": password})
        warnings = components.register(KIND, entry.name, "mlflow", plan.attributes).warnings
        _test(store, entry.name)
        with _nothing_left():
            process.keep(started, entry, folder)
        (folder / UNFINISHED).unlink()
        undo.keep()
    passed_over = [f"the secret is not in the {problem.message}" for problem in vault.passed_over]
    return (*plan.notes, *warnings, *passed_over)


def start(store: ServerStore, name: str, waiting: Callable[[str], None]) -> None:
    """Serve again what was stopped or has died; one that runs is left alone."""
    folder = store.folder(name)
    if store.is_unfinished(name):
        raise MlxError(
            f"the server of {name!r} was never finished: {INTERRUPTED}",
            hint=f"mlx tracker deploy {name}, or to clear it away: mlx tracker stop {name}",
        )
    entry = _entry(folder)
    with store.changing(name):
        state, _, pid, _ = process.look(entry, folder)
        if state == "running":
            waiting(f"{name} is running already (process {pid})")
            return
        if pid is not None:
            process.wait_for_other(entry, folder)
            return
        need_auth()
        need_driver(entry.backend)
        need_store(entry.artifacts)
        for path in filter(None, (entry.certificate, entry.key)):
            if not Path(path).is_file():
                raise ConfigError(f"the file {path}, which the server of {name!r} needs, is gone")
        told = _told(entry)
        if not (folder / _AUTH_DATABASE).exists():  # the administrator is made anew
            told["password"] = _revealed({"password": f"<<{entry.secret}.password>>"})["password"]
        database = Connection(name, "database", entry.backend, folder).database
        problem = database_problem(database) if database is not None else None
        if problem:
            raise MlxError(f"the server of {name!r} did not start: {problem}")
        check_backend(name, entry.backend, store.project.state_dir)
        with claim_again(entry) as listener:
            waiting(f"starting the server of {name}")
            process.keep(_launch(entry, folder, told, listener), entry, folder)


def stop(store: ServerStore, name: str) -> bool:
    """End a server, one that is just starting too; False when none was running."""
    return process.stop(store.folder(name))


def clear_unfinished(store: ServerStore, name: str) -> None:
    """Take away what a deployment that was interrupted has made; raises InUseError while one is still at it."""
    with store.changing(name, patience=_MOMENT):
        if store.is_unfinished(name):
            unfinished.clear(store, name)


def status(store: ServerStore, name: str) -> ServerRecord:
    """Look how a server is; one whose record is damaged is `failed` and says why."""
    folder = store.folder(name)
    if store.is_unfinished(name):
        return ServerRecord(
            name, "mlflow", "failed", unfinished.read_mark(folder).url, pid=holder(folder), folder=str(folder),
            reason=INTERRUPTED,
        )  # fmt: skip
    try:
        entry = read_entry(folder)
    except ConfigError as error:
        pid = holder(folder)
        goes_on = f"; process {pid} goes on: mlx tracker stop {name}" if pid else ""
        return ServerRecord(
            name, "mlflow", "failed", "", pid=pid, folder=str(folder), reason=f"{error.message}{goes_on}"
        )
    state, said, pid, reason = process.look(entry, folder)
    return ServerRecord(
        name, "mlflow", state, entry.url, pid,
        since=datetime.fromtimestamp(said.since, timezone.utc).isoformat(timespec="seconds") if said else "",
        backend=shown_backend(entry.backend), artifacts=entry.artifacts, version=said.version if said else "",
        memory=process.memory_of(pid) if pid else None, folder=str(folder), secret=entry.secret, reason=reason,
    )  # fmt: skip


def _launch(
    entry: ServerEntry, folder: Path, told: dict[str, str], listener: socket.socket
) -> subprocess.Popen[bytes]:
    """Start the process and wait until it answers; when it does not, it is gone."""
    write_atomic(folder / AUTH_FILE, auth_file(sqlite_uri(folder / _AUTH_DATABASE)).encode())
    if not is_bucket(entry.artifacts):
        make_private_dir(Path(entry.artifacts))
    started = process.launch(folder, told, listener)
    try:
        process.wait_until_ready(entry, folder, started)
    except BaseException:
        process.end(started)
        raise
    return started


def _database(plan: Plan) -> Path | None:
    return Connection(plan.entry.name, "database", plan.entry.backend, plan.folder).database


def _outside(plan: Plan) -> list[Path]:
    """Return what will be made elsewhere than in the server's folder: a database, a folder for artifacts."""
    paths = [_database(plan), None if is_bucket(plan.entry.artifacts) else Path(plan.entry.artifacts)]
    return [path for path in paths if path and not path.is_relative_to(plan.folder) and not path.exists()]


def _launch_first(plan: Plan, told: dict[str, str]) -> subprocess.Popen[bytes]:
    if plan.listener is None:
        raise ValueError("the plan holds no port")
    return _launch(plan.entry, plan.folder, told, plan.listener)


@contextlib.contextmanager
def _nothing_left() -> Iterator[None]:
    """Do not point to the log of a first start that fails: it is gone with everything else."""
    try:
        yield
    except MlxError as error:
        error.hint = "correct it, and deploy again: nothing was left behind"
        raise


def _told(entry: ServerEntry) -> dict[str, str]:
    """Return what the process has to know and nobody else may see."""
    return _revealed({"secret_key": f"<<{entry.secret}.secret_key>>", "backend": with_driver(entry.backend)})


def _revealed(fields: dict[str, str]) -> dict[str, str]:
    found = SecretService().resolve(fields)
    return {key: value.reveal() if isinstance(value, SecretValue) else value for key, value in found.items()}


def _entry(folder: Path) -> ServerEntry:
    try:
        return read_entry(folder)
    except ConfigError as error:
        raise ConfigError(error.message, hint=f"mend the file, or move {folder} away") from error


def _test(store: ServerStore, name: str) -> None:
    """Log in as the tracker does; raises when the server takes no password, or another one."""
    for attempt in range(_ATTEMPTS):
        try:
            found = open_tracker(name, store.project).check().to_dict()  # type: ignore[attr-defined]
            break
        except UnreachableError:
            if attempt == _ATTEMPTS - 1:
                raise
    if found["credentials"] != "accepted":
        raise CredentialsError(f"the server of {name!r} lets in anybody")
