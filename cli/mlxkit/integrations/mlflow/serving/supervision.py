"""What a supervisor does: keep workers alive, and put new ones in place of old ones."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from collections import deque
from pathlib import Path

from . import orphans
from .log import Log
from .process import Worker
from .state import LOG, Status, Wanted, boot_id, read_wanted, write_status

_DEATHS = 5
_WITHIN = 60.0
_LEAVES_WITHIN = 65.0  # a request is answered, or given up, after 60 s
_CLOSES_WITHIN = 2.0
_QUOTED = 6
_ASKS_EVERY = 2.0


class Supervisor:
    """Serve what is wanted until told to stop; `_next` are the workers that are to take over, `_old` those that leave."""

    def __init__(
        self,
        folder: Path,
        token: str | None,
        wanted: Wanted,
        listener: socket.socket,
        early: list[int],  # signals that came before there was somebody to handle them
    ) -> None:
        self._folder, self._token, self._listener = folder, token, listener
        self._log = Log(folder / LOG)
        self._host, self._port = wanted.host, int(listener.getsockname()[1])
        self._boot = boot_id()
        self._selector = selectors.DefaultSelector()
        self._serving: list[Worker] = []
        self._next: list[Worker] = []
        self._old: list[Worker] = []
        self._current: Wanted | None = None  # None until the first workers passed their check
        self._coming: Wanted | None = None
        self._closing_until: float | None = None
        self._answered = self._refusal = self._reason = ""
        self._seen = wanted.id
        self._deaths: deque[float] = deque(maxlen=_DEATHS)
        self._restarts: list[float] = []
        self._signals = early
        self._status: Status | None = None
        self._is_stopping = self._is_asked = False
        self._failure = ""
        self._ask_at = 0.0
        orphans.adopt()
        self._begin(wanted)

    def run(self) -> int:
        """Serve; the exit status says whether it ended because it was told to."""
        wake_read, wake_write = socket.socketpair()
        for end in (wake_read, wake_write):
            end.setblocking(False)
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD):
            signal.signal(number, lambda number, _frame: self._signals.append(number))
        self._selector.register(wake_read, selectors.EVENT_READ)
        while not self._is_over():
            self._publish()
            for key, _ in self._selector.select(self._pause()):
                if key.fileobj is wake_read:
                    with contextlib.suppress(BlockingIOError):
                        wake_read.recv(4096)
                else:
                    self._hear(key.data)
            self._handle_signals()
            self._reap()
            self._keep_time()
        self._finish()
        return 1 if self._failure else 0

    def _begin(self, wanted: Wanted) -> None:
        """Start the workers that are to serve what is wanted."""
        self._log.say(f"loading {wanted.model}")
        self._coming = wanted
        self._next = [self._start(wanted) for _ in range(max(1, wanted.workers))]

    def _start(self, wanted: Wanted) -> Worker:
        worker = Worker(wanted, self._listener, self._token, self._log, self._folder)
        self._selector.register(worker.line, selectors.EVENT_READ, worker)
        self._selector.register(worker.pipe, selectors.EVENT_READ, worker)
        return worker

    def _hear(self, worker: Worker) -> None:
        if worker.process.returncode is not None:
            return
        for message in worker.heard():
            if message.get("ready"):
                worker.phase, worker.request_timeout = "ready", float(message["request_timeout"])
                self._became_ready(worker)
            elif message.get("answers"):
                worker.unanswered = 0
            elif message.get("closed"):
                worker.is_closed = True
            elif "failed" in message:
                worker.failure = str(message["failed"])
        if not worker.pump():
            with contextlib.suppress(KeyError):
                self._selector.unregister(worker.pipe)

    def _became_ready(self, worker: Worker) -> None:
        if worker in self._serving:
            worker.accept()
            self._reason = ""
        elif worker in self._next and all(one.phase == "ready" for one in self._next):
            self._switch()

    def _switch(self) -> None:
        """Let the new workers accept, and the old ones answer what they have."""
        for worker in self._next:
            worker.accept()
        for worker in self._serving:
            worker.leave("drain", _LEAVES_WITHIN)
        self._old += self._serving
        self._serving, self._next = self._next, []
        self._current, self._coming = self._coming, None
        self._restarts.clear()
        self._reason = self._refusal = ""
        self._closing_until = time.monotonic() + _CLOSES_WITHIN

    def _refuse(self, worker: Worker, why: str) -> None:
        """Go on with what is served: the workers that were to take over are not fit to."""
        wanted, self._coming = self._coming, None
        said = "\n".join([why, *(f"  {line}" for line in worker.output.tail()[-_QUOTED:])])
        self._log.say(f"{wanted.model if wanted else ''} is not served: {why}")
        for one in self._next:
            one.kill()
        self._old += self._next
        self._next = []
        if self._current is None:
            self._give_up(said)
        elif wanted is not None:
            self._refusal, self._answered = said, wanted.id

    def _give_up(self, why: str) -> None:
        self._failure = why
        self._is_stopping = True
        for worker in self._everyone():
            worker.kill()

    def _handle_signals(self) -> None:
        while self._signals:
            number = self._signals.pop(0)
            if number == signal.SIGTERM:
                self._stop()
            elif number == signal.SIGUSR1:
                self._is_asked = True
        if self._is_asked and not (self._coming or self._closing_until or self._is_stopping):
            self._is_asked = False
            wanted = read_wanted(self._folder)
            if wanted is not None and wanted.id != self._seen:
                self._seen = wanted.id
                self._begin(wanted)

    def _stop(self) -> None:
        """Answer what there is and end; told a second time, end at once."""
        if self._is_stopping:
            for worker in self._everyone():
                worker.kill()
            return
        self._is_stopping = True
        self._log.say("stopping")
        self._listener.close()
        for worker in self._everyone():
            worker.leave("stop", _LEAVES_WITHIN)

    def _reap(self) -> None:
        for worker in self._everyone():
            if worker.process.poll() is None:
                continue
            for message in worker.heard():
                worker.failure = str(message.get("failed", worker.failure))
            for source in (worker.line, worker.pipe):
                with contextlib.suppress(KeyError):
                    self._selector.unregister(source)
            worker.kill()  # what it started and left behind
            worker.close()
            self._died(worker)
            self._end_orphans()

    def _end_orphans(self) -> None:
        everyone = self._everyone()
        orphans.end([worker.pid for worker in everyone], [worker.mark for worker in everyone])

    def _everyone(self) -> list[Worker]:
        return [*self._serving, *self._next, *self._old]

    def _died(self, worker: Worker) -> None:
        group = next(group for group in (self._serving, self._next, self._old) if worker in group)
        group.remove(worker)
        if self._is_stopping or group is self._old:
            return
        how = worker.failure or f"its process ended ({worker.ending()})"
        if group is self._next:
            self._refuse(worker, how)
            return
        now = time.monotonic()
        self._deaths.append(now)
        self._log.say(f"worker {worker.pid}: {how}")
        if len(self._deaths) == _DEATHS and now - self._deaths[0] < _WITHIN:
            lines = "\n".join(f"  {line}" for line in worker.output.tail()[-_QUOTED:])
            self._give_up(f"it ended {_DEATHS} times within a minute, last: {how}\n{lines}".rstrip())
            return
        recent = sum(1 for when in self._deaths if now - when < _WITHIN)
        self._restarts.append(now + (0.0 if recent == 1 else 0.25 * 2**recent))
        self._reason = f"{how}; it is started again"

    def _keep_time(self) -> None:
        """Start again what is due, and end what takes too long."""
        now = time.monotonic()
        if self._current is not None and not self._is_stopping:
            due = [when for when in self._restarts if when <= now]
            self._restarts = [when for when in self._restarts if when > now]
            self._serving += [self._start(self._current) for _ in due]
        if now >= self._ask_at:
            self._ask_at = now + _ASKS_EVERY
            orphans.bury([worker.pid for worker in self._everyone()])
            for worker in self._everyone():
                if worker.is_deaf(_ASKS_EVERY):
                    worker.failure = "it answers nothing any more"
                    worker.kill()
        for worker in self._everyone():
            if worker.phase in ("loading", "draining") and now > worker.deadline:
                if worker.phase == "loading":
                    worker.failure = f"not ready within {worker.wanted.ready_within:g} s"
                worker.kill()
                worker.deadline = now + 1
        if self._closing_until is not None and (
            now > self._closing_until or all(worker.is_closed for worker in self._old)
        ):
            self._closing_until = None
            if self._current is not None:
                self._answered = self._current.id
                self._log.say(f"serving {self._current.model}")

    def _pause(self) -> float:
        """Return the seconds until something is due."""
        waiting = [w for w in self._everyone() if w.phase in ("loading", "draining")]
        times = [self._ask_at, *self._restarts, *(worker.deadline for worker in waiting)]
        if self._closing_until is not None:
            times.append(self._closing_until)
        if self._signals:
            return 0.0
        return max(0.0, min(times) - time.monotonic()) + 0.001

    def _is_over(self) -> bool:
        return self._is_stopping and not (self._serving or self._next or self._old)

    def _publish(self) -> None:
        """Write down what is going on, when it is something else than what is written."""
        model = self._current or self._coming
        is_serving = any(worker.phase == "accepting" for worker in self._serving)
        if not is_serving:
            state = "starting"
        elif self._coming is not None or self._closing_until is not None:
            state = "updating"
        else:
            state = "running"
        self._write(state, model.model if model else "", self._reason)

    def _finish(self) -> None:
        self._listener.close()
        model = self._status.model if self._status else ""
        self._log.say(f"failed: {self._failure}" if self._failure else "stopped")
        self._write("failed" if self._failure else "stopped", model, self._failure)

    def _write(self, state: str, model: str, reason: str) -> None:
        before, served = self._status, self._current or self._coming
        status = Status(
            pid=os.getpid(),
            boot=self._boot,
            host=self._host,
            port=self._port,
            model=model,
            state=state,  # type: ignore[arg-type]
            since=before.since if before and (before.state, before.model) == (state, model) else time.time(),
            reason=reason,
            answered=self._answered,
            refusal=self._refusal,
            model_dir=served.model_dir if served else "",
            workers=served.workers if served else 0,
            max_body=served.max_body if served else 0,
        )
        if status != before:
            write_status(self._folder, status)
            self._status = status
