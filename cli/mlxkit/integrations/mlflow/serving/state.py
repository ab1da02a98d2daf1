"""What is known of a deployment's server: what it was asked for, what it says, and whether it still lives.

The folder of a deployment holds `server.json` (what the server says), `server.wanted.json` (what it was asked for),
`server.lock` (locked by the server for as long as it lives) and `server.log`. None of them ever holds the token.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ....config.files import write_atomic

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from ....stacks.deployers import ServeSpec, State

LOG = "server.log"
CHANGES = "server.changes.lock"
_STATUS = "server.json"
_WANTED = "server.wanted.json"
_ALIVE = "server.lock"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LOCK_WITHIN = 5.0  # somebody who looks at the lock holds it for a moment


@dataclass(frozen=True)
class Wanted:
    """What a server is asked to serve; `id` tells one request from the next."""

    id: str
    name: str
    model: str
    model_dir: str
    host: str
    port: int
    workers: int
    max_body: int
    ready_within: float

    @staticmethod
    def of(spec: ServeSpec) -> Wanted:
        """Return what a caller asks for, without its token."""
        return Wanted(
            id=os.urandom(8).hex(),
            name=spec.name,
            model=spec.model,
            model_dir=str(spec.model_dir.absolute()),
            host=spec.host,
            port=spec.port,
            workers=spec.workers,
            max_body=spec.max_body,
            ready_within=spec.ready_within,
        )


@dataclass(frozen=True)
class Status:
    """What the server says of itself; `answered` is the last request it is done with, `refusal` why it did not take it."""

    pid: int
    boot: str
    host: str
    port: int | None
    model: str
    state: State
    since: float
    reason: str = ""
    answered: str = ""
    refusal: str = ""
    model_dir: str = ""
    workers: int = 0
    max_body: int = 0


def write_wanted(folder: Path, wanted: Wanted) -> None:
    """Write down what is asked for."""
    _write(folder / _WANTED, wanted)


def read_wanted(folder: Path) -> Wanted | None:
    """Return what was asked for last, or None."""
    found = _read(folder / _WANTED)
    return Wanted(**found) if found else None


def write_status(folder: Path, status: Status) -> None:
    """Write down what is going on; the server's own business."""
    _write(folder / _STATUS, status)


def read_status(folder: Path) -> Status | None:
    """Return what the server said last, or None; it may be long gone."""
    found = _read(folder / _STATUS)
    return Status(**found) if found else None


def remove_status(folder: Path) -> None:
    """Forget what an earlier server said."""
    (folder / _STATUS).unlink(missing_ok=True)


def hold(folder: Path) -> IO[str] | None:
    """Lock the folder for this process and write its id into the lock, or return None when another one serves it.

    The lock is a record lock: children do not inherit it. Closing any handle of the file lets go of it.
    """
    handle = os.fdopen(os.open(folder / _ALIVE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+")
    deadline = time.monotonic() + _LOCK_WITHIN
    while True:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            if time.monotonic() > deadline:
                handle.close()
                return None
            time.sleep(0.02)
    handle.truncate(0)
    handle.write(f"{os.getpid()}\n")
    handle.flush()
    return handle


def holder(folder: Path) -> int | None:
    """Return the process id of the server that lives, or None.

    A shared lock is tried, so that two who look at the same time do not take each other for the server.
    """
    try:
        handle = (folder / _ALIVE).open()
    except FileNotFoundError:
        return None
    with handle:
        try:
            fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            text = handle.read().strip()
            return int(text) if text.isdigit() else 0  # 0: it has just taken the lock
    return None


def boot_id() -> str:
    """Return what tells this run of the machine from the one before."""
    if _BOOT_ID.is_file():  # Linux
        return _BOOT_ID.read_text().strip()
    asked = ["sysctl", "-n", "kern.boottime"]
    return subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10).stdout.strip()


def _write(path: Path, content: Wanted | Status) -> None:
    write_atomic(path, json.dumps(asdict(content), indent=1).encode())


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
