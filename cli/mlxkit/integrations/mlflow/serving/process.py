"""One worker as its supervisor sees it: a process, the line to it, and what it writes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Literal

from .log import Log, Output
from .state import Wanted

Phase = Literal["loading", "ready", "accepting", "draining"]


class Worker:
    """A worker process; it dies by itself when the line to it is cut."""

    def __init__(
        self, wanted: Wanted, listener: socket.socket, token: str | None, log: Log, folder: Path
    ) -> None:
        self.wanted = wanted
        self.phase: Phase = "loading"
        self.failure = ""
        self.is_closed = False  # it accepts no connection any more
        self.deadline = time.monotonic() + wanted.ready_within
        self.output = Output(log, [token] if token else [])
        self.line, theirs = socket.socketpair()
        read, write = os.pipe()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-m", "mlxkit.integrations.mlflow.serving.worker"],
                stdin=theirs.fileno(),
                stdout=write,
                stderr=write,
                cwd=folder,
                pass_fds=[listener.fileno()],
                start_new_session=True,
            )
        finally:
            theirs.close()
            os.close(write)
        self.pipe = read
        os.set_blocking(read, False)
        self.line.setblocking(False)
        self._received = b""
        self.tell(
            model_dir=wanted.model_dir,
            max_body=wanted.max_body,
            token=token,
            listener=listener.fileno(),
            family=int(listener.family),
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, **order: Any) -> None:
        """Send an order; one that is dead does not hear it."""
        with contextlib.suppress(OSError):
            self.line.sendall(json.dumps(order).encode() + b"\n")

    def accept(self) -> None:
        """Let it take connections."""
        self.phase = "accepting"
        self.tell(do="accept")

    def leave(self, how: Literal["drain", "stop"], within: float) -> None:
        """Let it answer what it has and end; `drain` waits for idle connections for a while, too."""
        if self.phase in ("loading", "ready"):
            self.kill()
            return
        if self.phase != "draining":
            self.deadline = time.monotonic() + within
        self.phase = "draining"
        self.tell(do=how)

    def kill(self) -> None:
        """End it and what it started, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def heard(self) -> list[dict[str, Any]]:
        """Return the messages that came."""
        with contextlib.suppress(OSError):
            while piece := self.line.recv(65536):
                self._received += piece
        *lines, self._received = self._received.split(b"\n")
        return [json.loads(line) for line in lines]

    def pump(self) -> bool:
        """Move what it wrote to the log; False when it will not write any more."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self.pipe, 65536):
                self.output.feed(piece)
            return False
        return True

    def close(self) -> None:
        """Let go of what belonged to a dead worker."""
        self.pump()
        self.output.finish()
        os.close(self.pipe)
        self.line.close()

    def ending(self) -> str:
        """Say how a dead one ended."""
        code = self.process.returncode
        if code is not None and code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return f"exit code {code}"
