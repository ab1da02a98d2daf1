"""The process of a server: started, waited for, looked at and ended; only the one that the system names is touched."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from ....errors import MlxError
from ....stacks.listening import is_taken, reached_at
from ....stacks.servers import ServerState
from ..serving.launching import launch_apart, say
from ..serving.log import last_lines
from ..serving.state import LOG, boot_id, holder
from .entry import ServerEntry
from .environment import launch_environment
from .status import KEPT, ServerStatus, read_status, remove_status

_READY_WITHIN = 180.0  # seconds: the first start makes two databases
_ANSWERS_WITHIN = 5.0
_LEAVES_WITHIN = 25.0
_KILLED_WITHIN = 10.0
_PAUSE = 0.05
_QUOTED = 8


def launch(folder: Path, told: Mapping[str, str], listener: socket.socket) -> subprocess.Popen[bytes]:
    """Start the server's process in a session of its own; the secrets go through a pipe that nobody else reads.

    The socket is the process's own from then on. It ends when this one ends without having called `keep`.
    """
    folder = folder.absolute()
    remove_status(folder)
    process = launch_apart(
        "mlxkit.integrations.mlflow.server.daemon", folder, launch_environment(), told, str(listener.fileno()),
        inherited=[listener.fileno()],
    )  # fmt: skip
    listener.close()
    return process


def keep(process: subprocess.Popen[bytes], entry: ServerEntry, folder: Path) -> None:
    """Let a server go on when this process has ended; raises MlxError when it is the server that has."""
    say(process, KEPT)
    is_heard = True
    if process.stdin is not None:
        try:
            process.stdin.close()  # writes what could not be said
        except BrokenPipeError:  # for the command's boundary that is the reader of its output
            is_heard = False
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_KILLED_WITHIN)
    if not is_heard or process.poll() is not None:
        raise not_started(entry, folder)


def wait_until_ready(entry: ServerEntry, folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Return when the server answers; raises MlxError with the end of its log when it does not."""
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise not_started(entry, folder)
        if holder(folder) and answers(entry):
            return
        time.sleep(_PAUSE)
    raise not_started(entry, folder, f"it does not answer after {_READY_WITHIN:g} s")


def wait_for_other(entry: ServerEntry, folder: Path) -> None:
    """Return when a server that somebody else started answers."""
    deadline = time.monotonic() + _READY_WITHIN
    while holder(folder) is not None and time.monotonic() < deadline:
        if answers(entry):
            return
        time.sleep(_PAUSE)
    raise MlxError(
        f"the server of {entry.name!r} does not answer",
        hint=f"mlx tracker stop {entry.name}, and start it again",
    )


def not_started(entry: ServerEntry, folder: Path, reason: str = "") -> MlxError:
    """Return the error that shows why."""
    status = read_status(folder)
    if not reason and status is not None and status.state == "stopped":
        return MlxError(
            f"the server of {entry.name!r} was stopped while it started",
            hint=f"mlx tracker start {entry.name}",
        )
    reason = reason or (status.reason if status and status.reason else "it ended")
    quoted = "".join(f"\n  {line}" for line in last_lines(folder / LOG, _QUOTED))
    return MlxError(
        f"the server of {entry.name!r} did not start: {reason}{quoted}", hint=f"see {folder / LOG}"
    )


def answers(entry: ServerEntry) -> bool:
    """Say whether MLflow answers; nothing secret is sent, so that the certificate is not looked at here."""
    host = reached_at(entry.host)
    link: http.client.HTTPConnection
    if entry.certificate:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        link = http.client.HTTPSConnection(host, entry.port, timeout=_ANSWERS_WITHIN, context=context)
    else:
        link = http.client.HTTPConnection(host, entry.port, timeout=_ANSWERS_WITHIN)
    try:
        link.request("GET", "/health")
        return link.getresponse().read(16) == b"OK"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


def stop(folder: Path) -> bool:
    """End the server in a folder with everything in its group; False when none was running."""
    pid = holder(folder)
    was_running = pid is not None
    deadline = time.monotonic() + _LEAVES_WITHIN
    if pid:
        _tell(pid, signal.SIGTERM)
    while pid is not None:
        if pid and time.monotonic() > deadline:
            _tell(pid, signal.SIGKILL)
        if time.monotonic() > deadline + _KILLED_WITHIN:
            where = f" (process {pid})" if pid else ": its process cannot be seen from here"
            raise MlxError(f"the server in {folder} goes on{where}", hint="stop it where it was started")
        time.sleep(_PAUSE)
        pid = holder(folder)
    return was_running


def end(process: subprocess.Popen[bytes]) -> None:
    """See to it that a process that was just started is gone, even before it holds its lock."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    for how in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            _tell(process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LEAVES_WITHIN)


def look(entry: ServerEntry, folder: Path) -> tuple[ServerState, ServerStatus | None, int | None, str]:
    """Return the state, what the server said last, its process id, and why it is not running."""
    pid = holder(folder)
    status = read_status(folder)
    if pid is not None:
        return ("running" if answers(entry) else "starting"), status, pid or (status.pid if status else 0), ""
    if status is None or status.state == "stopped":
        return "stopped", status, None, ""
    if status.state == "failed":
        reason = status.reason
    elif status.boot != boot_id():
        reason = "the machine was restarted"
    else:
        reason = f"the server process {status.pid} is gone (killed?)"
    if is_taken(entry.host, entry.port):
        reason += f", and port {entry.port} is taken by another program"
    return "failed", status, None, reason


def memory_of(pid: int) -> int | None:
    """Return the resident bytes of a process, or None where the system does not say it."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * int(os.sysconf("SC_PAGE_SIZE"))


def _tell(pid: int, number: signal.Signals) -> None:
    """Signal a server and what it started; its group is its own because it leads a session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
