"""The model deployer of the `mlflow` flavor: MLflow's scoring protocol, served on this machine."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ....config.files import make_private_dir
from ....config.locks import file_lock
from ....errors import AlreadyExistsError, MlxError, NotFoundError
from ....stacks.deployers import RefusedError, ServeSpec, Serving
from ....stacks.listening import listen, reached_at
from .environment import serving_environment
from .log import last_lines, rotate
from .looking import look
from .requirements import examine
from .state import CHANGES, LOG, Status, Wanted, holder, read_status, remove_status, write_wanted

_BINDS_WITHIN = 30.0
_LEAVES_WITHIN = 75.0
_KILLED_WITHIN = 10.0
_PAUSE = 0.02
_QUOTED = 8


class MlflowDeployer:
    """Serve models with a supervised server of our own; the component has no attributes."""

    def __init__(self, component: object, state_dir: Path) -> None:
        if sys.platform == "win32":
            raise MlxError(
                "models are not served on Windows: the server needs sockets that processes share",
                hint="use WSL, or `mlflow models serve`",
            )

    def examine(self, model_dir: Path) -> list[str]:
        """Return warnings about serving these files here; raises MissingDependencyError for packages that are missing."""
        return examine(model_dir)

    def start(self, spec: ServeSpec, *, wait: bool = True) -> Serving:
        """Serve a model from now on; when it does not get ready nothing is left running, and the error shows its log."""
        with _changing(spec):
            pid = holder(spec.folder)
            if pid is not None:
                raise AlreadyExistsError(
                    f"{spec.name} is being served already (process {pid})",
                    hint=f"mlx deployment stop {spec.name}",
                )
            listen(spec.host, spec.port).close()  # what is wrong with the address is said at once
            wanted = Wanted.of(spec)
            process = _launch(spec, wanted)
            try:
                _wait_bound(spec.folder, process)
                if wait:
                    _wait_ready(spec, process)
            except BaseException:
                self.stop(spec.folder)
                _end(process)
                raise
        return look(spec.folder)

    def replace(self, spec: ServeSpec) -> Serving:
        """Serve another model on the same address without a failed request; one that does not pass its check changes nothing.

        The address and the token stay what they were when the server started.
        """
        with _changing(spec):
            now = look(spec.folder)
            if now.pid is None:
                raise NotFoundError(
                    f"{spec.name} is not being served{': ' + now.reason if now.reason else ''}",
                    hint=f"mlx deployment start {spec.name}",
                )
            if now.host and (spec.host != now.host or spec.port not in (0, now.port)):
                raise MlxError(
                    f"{spec.name} is served on {now.host}:{now.port}; an address cannot change while it is in use",
                    hint=f"mlx deployment stop {spec.name}",
                )
            wanted = Wanted.of(spec)
            write_wanted(spec.folder, wanted)
            with contextlib.suppress(ProcessLookupError):
                os.kill(now.pid, signal.SIGUSR1)
            _wait_answered(spec, wanted)
        return look(spec.folder)

    def stop(self, folder: Path, *, within: float | None = None) -> None:
        """Stop serving, after the requests that are being answered, or those answered `within` seconds."""
        pid = holder(folder)
        deadline = time.monotonic() + _LEAVES_WITHIN
        hurried = None if within is None else time.monotonic() + within
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        while pid is not None:
            if pid and hurried is not None and time.monotonic() >= hurried:
                hurried = None
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)  # told a second time, it waits for nothing
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_PAUSE)
            pid = holder(folder)

    def serving(self, folder: Path) -> Serving:
        """Look what is being served, asking the system and not a file."""
        return look(folder)

    def log(self, folder: Path) -> Path:
        """Return the file that the server writes its log to."""
        return folder / LOG


@contextlib.contextmanager
def _changing(spec: ServeSpec) -> Iterator[None]:
    """Let one caller at a time change what is served."""
    make_private_dir(spec.folder)
    with file_lock(spec.folder / CHANGES, timeout=2 * (spec.ready_within + _LEAVES_WITHIN)):
        yield


def _launch(spec: ServeSpec, wanted: Wanted) -> subprocess.Popen[bytes]:
    folder = spec.folder.absolute()
    remove_status(folder)
    write_wanted(folder, wanted)
    rotate(folder / LOG)
    log = os.open(folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlxkit.integrations.mlflow.serving.supervisor", str(folder)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=serving_environment(),
            start_new_session=True,
        )
    finally:
        os.close(log)
    secret: dict[str, Any] = {"token": spec.token.reveal() if spec.token else None}
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps(secret).encode() + b"\n")
            process.stdin.close()
    return process


def _wait_bound(folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _BINDS_WITHIN
    while time.monotonic() < deadline:
        status = read_status(folder)
        if status is not None and status.state == "failed":
            raise _failed(folder, status.reason)
        if status is not None and status.port is not None:
            return
        if process.poll() is not None:
            break
        time.sleep(_PAUSE)
    raise _failed(folder, "the server did not start")


def _wait_ready(spec: ServeSpec, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + spec.ready_within + 5.0  # it watches the time itself, and says more
    while time.monotonic() < deadline:
        status = read_status(spec.folder)
        if status is not None and status.state == "failed":
            raise _failed(spec.folder, status.reason)
        if process.poll() is not None:
            raise _failed(spec.folder, f"the server process {process.pid} is gone")
        if status is not None and status.state == "running" and _answers(status):
            return
        time.sleep(_PAUSE)
    raise _failed(spec.folder, f"not ready within {spec.ready_within:g} s")


def _answers(status: Status) -> bool:
    link = http.client.HTTPConnection(reached_at(status.host), status.port, timeout=5)
    try:
        link.request("GET", "/ping")
        return link.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


def _wait_answered(spec: ServeSpec, wanted: Wanted) -> None:
    """Wait until the server is done with a request: another one may have to be finished first."""
    deadline = time.monotonic() + 2 * spec.ready_within + 15.0
    while time.monotonic() < deadline:
        status = read_status(spec.folder)
        if status is not None and status.answered == wanted.id:
            if status.refusal:
                raise RefusedError(
                    f"{spec.model} is not served, {status.model} goes on: {status.refusal}",
                    hint=f"see {spec.folder / LOG}",
                )
            return
        if holder(spec.folder) is None:
            raise _failed(spec.folder, look(spec.folder).reason or "the server was stopped")
        time.sleep(_PAUSE)
    raise MlxError(
        f"{spec.model} was not taken over within {2 * spec.ready_within:g} s", hint=f"see {spec.folder / LOG}"
    )


def _failed(folder: Path, reason: str) -> MlxError:
    """Return the error that shows why; a reason of one line is followed by the end of the log."""
    if "\n" not in reason:
        reason = "\n".join([reason, *(f"  {line}" for line in last_lines(folder / LOG, _QUOTED))])
    return MlxError(f"the model is not served: {reason}", hint=f"see {folder / LOG}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """See to it that a server that was started is gone."""
    try:
        process.wait(_KILLED_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
