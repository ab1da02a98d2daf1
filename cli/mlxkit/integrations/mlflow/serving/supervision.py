"""What a supervisor does: keep workers alive, and put new ones in place of old ones."""

from __future__ import annotations

import contextlib
import selectors
import signal
import socket
import time
from pathlib import Path

from . import orphans
from .log import Log
from .places import Place
from .process import Worker
from .reporting import Report, state_of
from .state import LOG, Wanted
from .waking import wake_on
from .wishes import Wishes

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
        self._report = Report(folder, wanted.host, int(listener.getsockname()[1]))
        self._selector = selectors.DefaultSelector()
        self._serving: list[Worker] = []
        self._next: list[Worker] = []
        self._old: list[Worker] = []
        self._current: Wanted | None = None  # None until the first workers passed their check
        self._coming: Wanted | None = None
        self._closing_until: float | None = None
        self._reason = self._failure = ""
        self._wishes = Wishes(folder, self._log, wanted)
        self._vacant: list[Place] = []
        self._signals = early
        self._is_stopping = self._is_asked = False
        self._ask_at = 0.0
        orphans.adopt()
        self._begin(wanted)

    def run(self) -> int:
        """Serve; the exit status says whether it ended because it was told to."""
        wake, _kept = wake_on((signal.SIGTERM, signal.SIGUSR1, signal.SIGCHLD), self._signals)
        self._selector.register(wake, selectors.EVENT_READ)
        while not self._is_over():
            self._publish()
            for key, _ in self._selector.select(self._pause()):
                if key.fileobj is wake:
                    with contextlib.suppress(BlockingIOError):
                        wake.recv(4096)
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
        try:
            for _ in range(max(1, wanted.workers)):
                self._next.append(self._start(wanted))
        except OSError as error:
            self._refuse(f"its process cannot be started: {error.strerror}")

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
            if not self._vacant:
                self._reason = ""
        elif worker in self._next and all(one.phase == "ready" for one in self._next):
            if self._current is not None and self._wishes.new() is not None:  # this one was withdrawn
                self._is_asked = True
            else:
                self._switch()

    def _switch(self) -> None:
        """Let the new workers accept, and the old ones answer what they have."""
        for worker in self._next:
            worker.accept()
        for worker in self._serving:
            worker.leave("drain")
        self._old += self._serving
        self._serving, self._next = self._next, []
        self._current, self._coming = self._coming, None
        self._vacant.clear()
        self._reason = self._report.refusal = ""
        self._closing_until = time.monotonic() + _CLOSES_WITHIN

    def _refuse(self, why: str, quoted: list[str] | None = None) -> None:
        """Go on with what is served: the workers that were to take over are not fit to."""
        refused = self._drop(why)
        said = "\n  ".join([why, *(quoted or [])[-_QUOTED:]])
        if self._current is None:
            self._give_up(said)
        elif refused is not None:
            self._wishes.refuse(self._current)
            self._report.refusal, self._report.answered = said, refused.id

    def _drop(self, why: str) -> Wanted | None:
        """End the workers that were to take over; returns what they were to serve."""
        dropped, self._coming = self._coming, None
        self._log.say(f"{dropped.model if dropped else ''} is not served: {why}")
        for one in self._next:
            one.kill()
        self._old += self._next
        self._next = []
        return dropped

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
        if self._is_asked and self._current and not (self._closing_until or self._is_stopping):
            self._is_asked = False
            if wanted := self._wishes.new():
                self._follow(wanted, self._current)

    def _follow(self, wanted: Wanted, current: Wanted) -> None:
        """Serve what is wanted now, and not what was to take over: who asked for that has given up."""
        self._wishes.take_up(wanted)
        if self._coming is not None:
            self._drop("it is not wanted any more")
        if wanted.id == current.id:
            self._report.answered, self._report.refusal = wanted.id, ""
        else:
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
            worker.leave("stop")

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
            self._refuse(how, worker.output.tail())
            return
        now = time.monotonic()
        self._log.say(f"worker {worker.pid}: {how}")
        self._vacate(worker.place, now, now - (worker.accepting_since or now), how, worker.output.tail())

    def _vacate(self, place: Place, now: float, served: float, how: str, quoted: list[str]) -> None:
        """Have the place of a worker filled again; the others go on."""
        pause = place.vacate(now, served)
        self._vacant.append(place)
        self._reason = f"{how}; it is started again" + (f" after {pause:g} s" if pause else "")
        if place.is_failing:
            said = [f"it ended {place.deaths} times in a row, last: {self._reason}", *quoted[-_QUOTED:]]
            self._reason = "\n  ".join(said)

    def _fill(self, place: Place, wanted: Wanted) -> None:
        try:
            worker = self._start(wanted)
        except OSError as error:
            self._log.say(f"a worker cannot be started: {error}")
            self._vacate(
                place, time.monotonic(), 0.0, f"its process cannot be started ({error.strerror})", []
            )
        else:
            worker.place = place
            self._serving.append(worker)

    def _keep_time(self) -> None:
        """Start again what is due, and end what takes too long."""
        now = time.monotonic()
        if self._current is not None and not self._is_stopping:
            due = [place for place in self._vacant if place.due <= now]
            self._vacant = [place for place in self._vacant if place.due > now]
            for place in due:
                self._fill(place, self._current)
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
                self._report.answered = self._current.id
                self._log.say(f"serving {self._current.model}")

    def _pause(self) -> float:
        """Return the seconds until something is due."""
        waiting = [w for w in self._everyone() if w.phase in ("loading", "draining")]
        times = [
            self._ask_at,
            *(place.due for place in self._vacant),
            *(worker.deadline for worker in waiting),
        ]
        if self._closing_until is not None:
            times.append(self._closing_until)
        if self._signals:
            return 0.0
        return max(0.0, min(times) - time.monotonic()) + 0.001

    def _is_over(self) -> bool:
        return self._is_stopping and not (self._serving or self._next or self._old)

    def _publish(self) -> None:
        state = state_of(self._serving, self._vacant, is_changing=bool(self._coming or self._closing_until))
        within = max((worker.leaves_within for worker in self._everyone()), default=65.0)
        self._report.say(state, self._current or self._coming, self._reason, within)

    def _finish(self) -> None:
        self._listener.close()
        self._log.say(f"failed: {self._failure}" if self._failure else "stopped")
        self._report.finish(self._failure)
