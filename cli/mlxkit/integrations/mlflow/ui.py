"""MLflow's own UI for a store that has no server: on loopback, in the foreground, gone with Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, BinaryIO

from ...config.files import make_private_dir
from ...errors import MlxError
from ...secrets.children import without_secrets
from .connection import Connection
from .links import ui_port

_HOST = "127.0.0.1"
_READY_WITHIN = 90.0
_STOPS_WITHIN = 10.0


def serve_ui(to: Connection, port: int | None, ready: Callable[[str], None]) -> None:
    """Serve the UI until Ctrl-C or SIGTERM; `ready` is called with its address once it answers."""
    port = _free(port, ui_port(to))
    log = make_private_dir(to.folder) / "ui.log"
    with _written(log) as output, _stopping_on_sigterm():
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "mlflow",
                "server",
                "--host",
                _HOST,
                "--port",
                str(port),
                "--workers",
                "1",
            ],
            env=_environment(to),
            cwd=to.folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait_for(process, port, log)
            ready(f"http://{_HOST}:{port}/#/experiments")
            process.wait()
            raise MlxError(f"the MLflow UI stopped by itself ({process.returncode})", hint=f"see {log}")
        except KeyboardInterrupt:
            pass  # how it is meant to end
        finally:
            _stop(process)


def _written(log: Path) -> BinaryIO:
    try:
        output = log.open("wb")
        log.chmod(0o600)
    except OSError as error:
        raise MlxError(
            f"{log} cannot be written: {error.strerror}", hint=f"ls -ld {shlex.quote(str(log.parent))}"
        ) from error
    return output


def _environment(to: Connection) -> dict[str, str]:
    """The address goes here and not on the command line, which every user of the machine can read."""
    kept = {
        name: value
        for name, value in without_secrets().items()
        if not name.startswith(("MLFLOW_", "_MLFLOW_"))
    }
    own = {
        "MLFLOW_BACKEND_STORE_URI": to.tracking_uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": (to.folder / "artifacts").absolute().as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven processes less
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_DISABLE_AGENT_HINT": "1",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    return {**kept, **own}


def _free(wanted: int | None, usual: int) -> int:
    """Return the port that was asked for, or the store's usual one, or any other when that is taken."""
    for port in [wanted] if wanted is not None else [usual, 0]:
        with socket.socket() as listener, contextlib.suppress(OSError):
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((_HOST, port))
            return int(listener.getsockname()[1])
    raise MlxError(f"port {wanted} is taken", hint="leave --port out, and a free one is found")


def _wait_for(process: subprocess.Popen[Any], port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(port):
            return
        time.sleep(0.1)
    lines = log.read_text(errors="replace").strip().splitlines()
    raise MlxError(
        f"the MLflow UI did not start: {lines[-1] if lines else 'it said nothing'}", hint=f"see {log}"
    )


def _answers(port: int) -> bool:
    link = HTTPConnection(_HOST, port, timeout=2)
    try:
        link.request("GET", "/health")
        return link.getresponse().read() == b"OK"
    except OSError:
        return False
    finally:
        link.close()


def _stop(process: subprocess.Popen[Any]) -> None:
    """Stop the server and its workers; the leader alone would leave them serving."""
    if os.name != "posix":
        process.terminate()
        process.wait()
        return
    for how in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOPS_WITHIN)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _stopping_on_sigterm() -> Iterator[None]:
    """Let SIGTERM end us in order, so that the server is not left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
