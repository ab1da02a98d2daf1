"""The thread that gives work to workers and hears them.

It alone knows who does what, so that nothing needs a lock: other threads leave a wish and wake it up. A Ctrl-C in
the main thread, wherever it strikes, finds nothing half done.
"""

from __future__ import annotations

import pickle
import selectors
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ....errors import MlxError
from ....stacks.executors import CancelledWorkError, WorkerLostError
from .budget import Budget
from .endings import how_it_ended
from .roster import Roster
from .starting import Starter
from .waiting import Waiting
from .work import Work, Worker

MakeStarter = Callable[[Callable[[int, int], None]], Starter]


class Dispatcher:
    """Runs work in at most `slots` workers, within a budget."""

    def __init__(self, slots: int, budget: Budget, make_starter: MakeStarter) -> None:
        self.slots = slots
        self._budget = budget
        self._starter = make_starter(lambda number, status: self._wish(lambda: self._ended(number, status)))
        self._roster = Roster(
            slots, self._starter, on_said=self._said, on_printed=self._printed, on_nursery=self._nursery_said
        )
        self._waiting: Waiting[Work] = Waiting()
        self._outcomes: deque[tuple[Work, Any, BaseException | None]] = deque()
        self._wishes: deque[Callable[[], None]] = deque()
        self._bell, self._rope = socket.socketpair()
        for end in (self._bell, self._rope):
            end.setblocking(False)
        self._thread: threading.Thread | None = None
        self._all_ended = threading.Event()
        self._is_closing = self._is_over = False

    def submit(self, work: Work) -> None:
        """Have work done once there is room."""
        work.future.stop = lambda: self._wish(lambda: self._cancel(work))
        if not self._is_over:
            self._starter.prepare()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mlx-workers", daemon=True)
                self._thread.start()
        self._wish(lambda: self._waiting.add(work))
        if self._is_over:
            self._refuse()

    def close(self, *, cancel: bool) -> None:
        """End it all, after the work or at once; a second Ctrl-C meanwhile ends it without grace."""
        self._wish(lambda: self._close(cancel))
        try:
            self._join()
        except BaseException:
            self._wish(self._kill)
            self._join()
            raise

    def _join(self) -> None:
        if self._thread is None:
            self._is_over = True
            self._hang_up()
        elif self._thread is not threading.current_thread():
            self._all_ended.wait()  # not `join`: a Ctrl-C during that makes it take the thread for ended
            self._thread.join()

    def _wish(self, wish: Callable[[], None]) -> None:
        self._wishes.append(wish)
        with suppress(OSError):  # it rings already, or nobody is there any more
            self._rope.send(b"!")

    # What follows runs in the thread.

    def _run(self) -> None:
        self._roster.selector.register(self._bell, selectors.EVENT_READ, self._rang)
        try:
            while not (self._is_closing and self._is_done()):
                for key, events in self._roster.selector.select(self._roster.patience()):
                    key.data(events)
                while self._wishes:
                    self._wishes.popleft()()
                self._roster.kill_the_late()
                self._assign()
                self._deliver()
        except BaseException as error:  # a fault of ours: who waits for a result must not wait for ever
            self._break(error)
        self._is_over = True
        self._hang_up()
        self._refuse()
        self._all_ended.set()

    def _hang_up(self) -> None:
        self._roster.close()
        self._bell.close()
        self._rope.close()

    def _is_done(self) -> bool:
        """Tell whether nothing is left; without work, have the workers end first."""
        if self._waiting or self._wishes or any(worker.work for worker in self._roster):
            return False
        for worker in self._roster:
            self._roster.retire(worker)
        return not self._roster

    def _rang(self, _events: int) -> None:
        with suppress(BlockingIOError):
            while len(self._bell.recv(4096)) == 4096:
                pass

    def _assign(self) -> None:
        while self._roster.has_room:
            work = self._waiting.next(self._take)
            if work is None:
                return
            try:
                worker = self._roster.take(work.share.devices if work.share else ())
            except OSError as error:
                words = f"no worker could be started for {work.label}: {error}"
                self._end(work, None, WorkerLostError(words))
                continue
            worker.give(work)
            self._roster.watch(worker)

    def _take(self, work: Work) -> bool:
        work.share = self._budget.take(work.resources, self._roster.ready)
        return work.share is not None

    def _said(self, worker: Worker, events: int) -> None:
        if worker not in self._roster:  # it was removed since the selector looked
            return
        if events & selectors.EVENT_WRITE:
            worker.flush()
            self._roster.watch(worker)
        if events & selectors.EVENT_READ and not self._hear(worker):
            self._roster.stop_hearing(worker.channel)
            self._roster.kill(worker)  # it is ending, or cannot be spoken to any more

    def _hear(self, worker: Worker) -> bool:
        """Take in what a worker has said; returns whether its channel is open."""
        messages, is_open = worker.received()
        for message in messages:
            work = worker.work
            if work is None or not worker.is_of_now(message[1]):
                continue
            if message[0] == "said":
                _, _, said, ask = message
                for event in said:
                    work.tell(event)
                if ask is not None:
                    worker.send("heard", ask)
            else:
                self._printed(worker)
                self._finished(worker, work, *message[2:])
        return is_open

    def _finished(
        self, worker: Worker, work: Work, succeeded: bool, pickled: bytes | None, text: str
    ) -> None:
        worker.work = None
        if succeeded and pickled is not None:
            self._end(work, pickle.loads(pickled), None)  # noqa: S301 - of a worker of ours
        else:
            self._end(work, None, _error(pickled, text))
        self._roster.rest(worker)

    def _printed(self, worker: Worker) -> None:
        if worker not in self._roster:
            return
        try:
            text = worker.printed()
        except EOFError:  # every process that had it is gone
            self._roster.stop_hearing(worker.output)
            return
        if text and worker.work is not None:
            worker.work.tell(("output", text))

    def _nursery_said(self) -> None:
        told = self._starter.nursery.ended() if self._starter.nursery else None
        if told is not None:
            self._ended(*told)
            return
        for number in self._roster.lose_nursery():
            self._ended(number, None)

    def _ended(self, number: int, status: int | None) -> None:
        """Take note that a worker process has ended; what it said before still counts."""
        worker = self._roster.get(number)
        if worker is None:
            return
        self._hear(worker)
        self._printed(worker)
        work = worker.work
        self._roster.remove(worker)
        if work is None:
            return
        worker.work = None
        if work.is_cancelled:
            self._end(work, None, CancelledWorkError(f"{work.label} was cancelled"))
        else:
            self._end(work, None, WorkerLostError(f"the worker of {work.label} {how_it_ended(status)}"))

    def _cancel(self, work: Work) -> None:
        if work.future.done():
            return
        if self._waiting.remove(work):
            self._end(work, None, CancelledWorkError(f"{work.label} was cancelled"))
        elif work.worker is not None and not work.is_cancelled:
            work.is_cancelled = True
            self._roster.terminate(work.worker)

    def _close(self, cancel: bool) -> None:
        self._is_closing = True
        if cancel:
            for work in (*self._waiting, *(worker.work for worker in self._roster if worker.work)):
                self._cancel(work)

    def _kill(self) -> None:
        self._close(cancel=True)
        for worker in self._roster:
            worker.kill_at = 0.0

    def _end(self, work: Work, value: Any, error: BaseException | None) -> None:
        """Put an outcome down; it is told after the worker has its next work."""
        if work.share is not None:
            self._budget.give_back(work.share)
        work.share = work.worker = None
        self._outcomes.append((work, value, error or work.problem))

    def _deliver(self) -> None:
        while self._outcomes:
            work, value, error = self._outcomes.popleft()
            work.future.stop = _nothing  # what it was made with is held by nobody now
            if error is not None:
                work.future.set_exception(error)
            else:
                work.future.set_result(value)

    def _break(self, error: BaseException) -> None:
        for worker in self._roster:
            self._roster.kill(worker)
            if worker.work is not None:
                self._outcomes.append((worker.work, None, error))
        self._outcomes.extend((work, None, error) for work in self._waiting.clear())
        self._deliver()

    def _refuse(self) -> None:
        """Answer who came after the end."""
        with suppress(IndexError):  # another thread does the same
            while self._wishes:
                self._wishes.popleft()()
        for work in self._waiting.clear():
            work.future.set_exception(CancelledWorkError(f"{work.label} came after the end of the run"))


def _nothing() -> None:
    """There is nothing left to stop."""


def _error(pickled: bytes | None, text: str) -> BaseException:
    """Return the exception that work raised, or one with its text when it does not travel."""
    try:
        error = pickle.loads(pickled) if pickled is not None else None  # noqa: S301 - of a worker of ours
    except Exception:  # whatever an exception's own constructor raises
        error = None
    if not isinstance(error, BaseException):
        return MlxError(text)
    error.__cause__ = MlxError(text)  # the traceback of the other process
    return error
