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

from ....stacks.addresses import is_loopback
from . import orphans
from .log import Log, Output
from .places import Place
from .state import Wanted

_PATIENCE = 4.0  # seconds
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
        self.mark = os.urandom(8).hex()
        self.request_timeout = 60.0  # seconds; it says what it is when it is ready
        self.unanswered = 0
        self.place = Place()
        self.accepting_since: float | None = None
        self._listener = listener
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
                env=orphans.marked(self.mark),
                start_new_session=True,
            )
        except BaseException:
            self.line.close()
            os.close(read)
            raise
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
            is_local=is_loopback(listener.getsockname()[0]),
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, **order: Any) -> None:
        """Send an order; one that is dead does not hear it."""
        with contextlib.suppress(OSError):
            self.line.sendall(json.dumps(order).encode() + b"\n")

    def accept(self) -> None:
        """Let it take connections. It gets the socket only now: what its model starts while loading has none of it."""
        self.phase, self.accepting_since = "accepting", time.monotonic()
        with contextlib.suppress(OSError):
            socket.send_fds(self.line, [b'{"do": "accept"}\n'], [self._listener.fileno()])

    def is_deaf(self, every: float) -> bool:
        """Ask whether it still listens to anything; True when it did not for longer than a request may take.

        It counts how often this was asked, not the time: a machine that slept has made nobody deaf.
        """
        if self.phase != "accepting":
            return False
        self.unanswered += 1
        if self.unanswered * every > self.request_timeout + _PATIENCE:
            return True
        self.tell(do="answer")
        return False

    @property
    def leaves_within(self) -> float:
        """The seconds after which every request that it has is answered or given up."""
        return self.request_timeout + 5.0

    def leave(self, how: Literal["drain", "stop"]) -> None:
        """Let it answer what it has and end; `drain` waits for idle connections for a while, too."""
        if self.phase in ("loading", "ready"):
            self.kill()
            return
        if self.phase != "draining":
            self.deadline = time.monotonic() + self.leaves_within
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
