"""The process of a tracking server: MLflow's own server command, in this one process, for as long as it lives.

Started as `python -m mlxkit.integrations.mlflow.server.daemon FOLDER SOCKET`, where SOCKET is the number of a
listening socket that it inherits, so that nobody else can listen there before. One JSON line on its standard input
holds the secrets; a second one says that it may go on: when the input ends without that, so does the process. A lock
on the folder is held until it ends, however that happens: who holds it is who serves, whatever process ids are
written where.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, NoReturn
from urllib.parse import unquote, urlsplit

from ..serving.log import Log, Output
from ..serving.state import LOG, boot_id, hold
from .entry import read_entry
from .environment import PASSWORD, server_arguments, server_environment
from .status import KEPT, ServerStatus, write_status

_SAID_WITHIN = 2.0  # seconds for the last lines of the log


def main(folder: Path, descriptor: int) -> int:
    """Serve until SIGTERM."""
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the terminal's, which has nothing to do with us
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.umask(0o077)
    heard = os.fdopen(os.dup(0), "rb")
    line = heard.readline()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    lock = hold(folder)
    if lock is None:
        return 1
    status = ServerStatus(os.getpid(), boot_id(), "serving", time.time(), version("mlflow"))
    if not line.endswith(b"\n"):  # who started us has ended before it had told everything
        reason = "the command that started it ended before it had handed over the secrets"
        write_status(folder, replace(status, state="failed", reason=reason))
        return 1
    told: dict[str, str] = json.loads(line)
    entry = read_entry(folder)
    log = _Written(folder / LOG, _hidden(told))

    def end(code: int, last: ServerStatus) -> NoReturn:
        try:
            write_status(folder, replace(last, since=time.time()))  # the folder may be gone
            log.finish()
        finally:
            os._exit(code)  # threads of MLflow's that hang hold nothing up

    def leave(*_: object) -> NoReturn:
        end(0, replace(status, state="stopped"))

    def failed(reason: str) -> NoReturn:
        end(1, replace(status, state="failed", reason=reason))

    write_status(folder, status)
    signal.signal(signal.SIGTERM, leave)

    def abandoned() -> None:
        failed("the command that started it was interrupted")

    threading.Thread(target=_wait_kept, args=(heard, abandoned), name="mlx-kept", daemon=True).start()
    listener = socket.socket(fileno=descriptor)
    listener.set_inheritable(False)
    os.environ.update(server_environment(entry, folder, told))
    try:
        os.write(1, f"listening at {entry.url}\n".encode())
        _serve(server_arguments(entry), listener)
        reason = "the server ended"
    except SystemExit as error:
        reason = f"the server ended ({error.code})"
    except BaseException as error:
        import traceback

        traceback.print_exc()
        reason = f"{type(error).__name__}: it did not start"
    return failed(reason)


def _wait_kept(heard: IO[bytes], abandoned: Callable[[], None]) -> None:
    """Wait for the word of who started us, who may be gone before."""
    if heard.readline().rstrip() != KEPT:
        abandoned()


def _serve(arguments: list[str], listener: socket.socket) -> None:
    """Run `mlflow server`, with uvicorn in this process and not in one below it, which would survive us."""
    import mlflow.server
    from mlflow.cli import server

    def run_here(command: list[str], *, extra_env: dict[str, str], **_: Any) -> NoReturn:
        if command[1:3] != ["-m", "uvicorn"]:
            raise RuntimeError(
                f"MLflow {version('mlflow')} starts its server in another way than is known here"
            )
        os.environ.update(extra_env)
        os.environ.pop(PASSWORD, None)  # the administrator is made by now
        uvicorn: Any = import_module("uvicorn.main")

        class Inherited(uvicorn.Server):  # type: ignore[misc]
            def run(self, sockets: object = None) -> Any:
                return super().run(sockets=[listener])

        uvicorn.Server = Inherited  # one that made a socket of its own would find the address taken
        uvicorn.main(args=command[3:], standalone_mode=False)
        raise SystemExit(1)

    if not hasattr(mlflow.server, "_exec_cmd"):
        raise RuntimeError(f"MLflow {version('mlflow')} starts its server in another way than is known here")
    mlflow.server._exec_cmd = run_here
    server(args=arguments, standalone_mode=False)


def _hidden(told: dict[str, str]) -> list[str]:
    """Return what must not stand in the log; the path of a SQLite file may."""
    backend = "" if told["backend"].startswith("sqlite:") else told["backend"]
    password = urlsplit(backend).password or ""
    values = (told.get("password"), told["secret_key"], backend, password, unquote(password))
    return [value for value in values if value]


class _Written:
    """Everything that is written to standard output and error goes to the log: masked, and set aside when it is large."""

    def __init__(self, path: Path, secrets: list[str]) -> None:
        self._output = Output(Log(path), secrets)
        read, write = os.pipe()
        for descriptor in (1, 2):
            os.dup2(write, descriptor)
        os.close(write)
        self._thread = threading.Thread(target=self._pump, args=(read,), name="mlx-log", daemon=True)
        self._thread.start()

    def _pump(self, read: int) -> None:
        while piece := os.read(read, 65536):
            self._output.feed(piece)
        self._output.finish()

    def finish(self) -> None:
        """Wait for the last lines."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):
            os.dup2(nowhere, descriptor)
        self._thread.join(_SAID_WITHIN)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
