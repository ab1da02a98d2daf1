"""What is known of a deployment's server: what it was asked for, what it says, and whether it still lives.

The folder of a deployment holds `server.json` (what the server says), `server.wanted.json` (what it was asked for),
`server.lock` (locked by the server for as long as it lives) and `server.log`. None of them ever holds the token.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from ....config.files import write_atomic
from ....dataclass import dataclass
from ....errors import MlxError

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
_LOCK_WITHIN = 5.0  # an earlier server may be about to end
# struct flock: how the system packs it, and where the process id is in it.
_FLOCK, _HOLDER = ("qqihh", 2) if sys.platform == "darwin" else ("hhqqi4x", 4)
_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "State": (str,),
    "int": (int,),
    "int | None": (int, type(None)),
    "float": (int, float),
    "bool": (bool,),
}


class UnreadableError(MlxError):
    """A file in the folder of a deployment's server holds something else than what was written."""


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
    has_token: bool = False  # it is told over its standard input, and never served without

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
            has_token=spec.token is not None,
        )


@dataclass(frozen=True)
class Status:
    """What the server says of itself; `answered` is the last request it is done with, `refusal` why it did not take it.

    `serves` is the request that is served, and `leaves_within` the seconds that it takes at most to answer what it has.
    """

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
    serves: str = ""
    leaves_within: float = 65.0


def write_wanted(folder: Path, wanted: Wanted) -> None:
    """Write down what is asked for."""
    _write(folder / _WANTED, wanted)


def read_wanted(folder: Path) -> Wanted | None:
    """Return what was asked for last, or None; raises UnreadableError."""
    return _read(folder / _WANTED, Wanted)


def write_status(folder: Path, status: Status) -> None:
    """Write down what is going on; the server's own business."""
    _write(folder / _STATUS, status)


def read_status(folder: Path) -> Status | None:
    """Return what the server said last, or None; it may be long gone. Raises UnreadableError."""
    return _read(folder / _STATUS, Status)


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
    """Return the process id of the server that lives, or None; 0 where the system does not say which process it is.

    The system is asked, and not the file, which holds nothing or an earlier id for a moment. Asking takes no lock.
    """
    try:
        handle = (folder / _ALIVE).open("rb")
    except FileNotFoundError:
        return None
    with handle:
        values: list[int] = [0] * 5
        values[0 if _HOLDER == 4 else 3] = fcntl.F_RDLCK
        found = struct.unpack(_FLOCK, fcntl.fcntl(handle, fcntl.F_GETLK, struct.pack(_FLOCK, *values)))
    if found[0 if _HOLDER == 4 else 3] == fcntl.F_UNLCK:
        return None
    return max(0, int(found[_HOLDER]))


def boot_id() -> str:
    """Return what tells this run of the machine from the one before."""
    if _BOOT_ID.is_file():  # Linux
        return _BOOT_ID.read_text().strip()
    asked = ["sysctl", "-n", "kern.boottime"]
    return subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10).stdout.strip()


def _write(path: Path, content: Wanted | Status) -> None:
    write_atomic(path, json.dumps(asdict(content), indent=1).encode())


_Content = TypeVar("_Content", Wanted, Status)


def _read(path: Path, kind: type[_Content]) -> _Content | None:
    """Read a file; what a newer version wrote into it besides is left out."""
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise ValueError("not an object")
        known: dict[str, Any] = {}
        for field in fields(kind):
            if field.name not in found and field.default is not MISSING:
                continue
            value = found.get(field.name, MISSING)
            if not isinstance(value, _TYPES[str(field.type)]):
                raise ValueError(f"`{field.name}` is missing or wrong")
            known[field.name] = value
        return kind(**known)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{path.name} cannot be read ({error})") from error
