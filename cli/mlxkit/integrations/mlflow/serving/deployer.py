"""The model deployer of the `mlflow` flavor: MLflow's scoring protocol, served on this machine."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ....config.files import make_private_dir
from ....config.locks import file_lock
from ....errors import AlreadyExistsError, MlxError, NotFoundError
from ....stacks.deployers import RefusedError, ServeSpec, Serving
from ....stacks.listening import listen, reached_at
from .asking import ask, wait_answered, what_is_served, withdraw
from .environment import serving_environment
from .launching import launch_apart
from .log import not_served
from .looking import look
from .requirements import examine
from .state import (
    CHANGES,
    LOG,
    Status,
    UnreadableError,
    Wanted,
    holder,
    read_status,
    remove_status,
    write_wanted,
)

_BINDS_WITHIN = 30.0
_LEAVES_WITHIN = 75.0
_KILLED_WITHIN = 10.0
_PAUSE = 0.02


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
            if pid is not None and look(spec.folder).state == "failed":  # it tries, and serves nobody
                self.stop(spec.folder)
                pid = None
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

        Nor does one that is given up: it is not loaded any further, and what was served before goes on.
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
            served = what_is_served(spec)
            try:
                wanted = Wanted.of(spec)
                ask(spec.folder, now.pid, wanted)
                wait_answered(spec, wanted)
            except RefusedError:
                raise
            except BaseException:  # it timed out, or was interrupted
                if served is not None:
                    withdraw(spec, now.pid, served)
                raise
        return look(spec.folder)

    def stop(self, folder: Path, *, within: float | None = None) -> None:
        """Stop serving, after the requests that are being answered, or those answered `within` seconds."""
        pid = holder(folder)
        deadline = time.monotonic() + _leaves_within(folder)
        hurried = None if within is None else time.monotonic() + within
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        while pid is not None:
            if pid and hurried is not None and time.monotonic() >= hurried:
                hurried = None
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)  # told a second time, it waits for nothing
            if pid and time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline + _KILLED_WITHIN:
                raise MlxError(
                    f"the server in {folder} goes on"
                    + (f" (process {pid})" if pid else ": its process cannot be seen from here"),
                    hint="stop it where it was started",
                )
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


def _leaves_within(folder: Path) -> float:
    """Return the seconds after which a server that was told to stop has answered what it had, and more."""
    with contextlib.suppress(UnreadableError):
        status = read_status(folder)
        if status is not None:
            return status.leaves_within + 10.0
    return _LEAVES_WITHIN


def _launch(spec: ServeSpec, wanted: Wanted) -> subprocess.Popen[bytes]:
    folder = spec.folder.absolute()
    remove_status(folder)
    write_wanted(folder, wanted)
    secret = {"token": spec.token.reveal() if spec.token else None}
    process = launch_apart(
        "mlxkit.integrations.mlflow.serving.supervisor", folder, serving_environment(), secret
    )
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
    return process


def _wait_bound(folder: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _BINDS_WITHIN
    while time.monotonic() < deadline:
        status = read_status(folder)
        if status is not None and status.state == "failed":
            raise not_served(folder, status.reason)
        if status is not None and status.port is not None:
            return
        if process.poll() is not None:
            break
        time.sleep(_PAUSE)
    raise not_served(folder, "the server did not start")


def _wait_ready(spec: ServeSpec, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + spec.ready_within + 5.0  # it watches the time itself, and says more
    while time.monotonic() < deadline:
        status = read_status(spec.folder)
        if status is not None and status.state == "failed":
            raise not_served(spec.folder, status.reason)
        if process.poll() is not None:
            raise not_served(spec.folder, f"the server process {process.pid} is gone")
        if status is not None and status.state == "running" and _answers(status):
            return
        time.sleep(_PAUSE)
    raise not_served(spec.folder, f"not ready within {spec.ready_within:g} s")


def _answers(status: Status) -> bool:
    link = http.client.HTTPConnection(reached_at(status.host), status.port, timeout=5)
    try:
        link.request("GET", "/ping")
        return link.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """See to it that a server that was started is gone."""
    try:
        process.wait(_KILLED_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
