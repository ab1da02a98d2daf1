"""The one thread that talks to Ray: sends tasks, hears what they say, and settles what comes of them.

Everything that it keeps is touched by no other thread; they put messages into its inbox.
"""

from __future__ import annotations

import contextlib
import itertools
import pickle
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from ...errors import MlxError
from ...stacks.executors import CancelledWorkError, ExecutorFacts, Resources, WorkerLostError
from . import failures
from .cluster import Cluster, connect
from .ledger import Ledger, ending
from .listener import Listener
from .packing import Piece, Task, Work, places
from .sending import Sender, outcome_of
from .settings import RaySettings
from .stub import Answer, OtherVersion
from .watch import HeadWatch

_TICK = 0.1  # seconds between two looks around while something is on its way
_LISTEN_AFTER = 0.15  # seconds a task is on its way before the channel for what it says is opened
_LISTEN_COLD = 1.0  # the same before the first answer: its worker has to be started
_LATE = 5.0  # seconds that the end of work waits for what it said before
_LATE_WORDS = 0.5  # seconds that the loss of a worker waits for its last words
_LOOK = 5.0  # seconds between two looks at the cluster
_STUCK = 3.0  # seconds that this thread may be held up by a call to a head that is gone
_CANCELLING = 10.0  # seconds


class Dispatcher:
    """Connects to the cluster, in its own thread, and works off its inbox until it is closed."""

    def __init__(self, settings: RaySettings, facts: ExecutorFacts) -> None:
        self._settings, self._facts = settings, facts
        self._inbox: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._cluster: Cluster | None = None
        self._listener: Listener | None = None
        self._works: dict[tuple[Any, ...], Work] = {}
        self._ledger = Ledger()
        self._tasks = itertools.count()
        self._sender: Sender | None = None
        self._channel = f"mlx-{facts.run_id}"
        self._cancelled_at: float | None = None
        self._warm: float | None = None
        self._is_ending = self._is_gone = False
        self._broken: MlxError | None = None
        self._left = threading.Event()
        self._watch: HeadWatch | None = None
        self._looked = time.monotonic()
        self.nodes: Sequence[Mapping[str, float]] = ()
        self.ready: Future[None] = Future()  # of the connection
        # A daemon: Ctrl-C twice has to end the process whatever Ray does.
        self._thread = threading.Thread(target=self._run, name="mlx-ray", daemon=True)
        self._thread.start()

    def submit(self, fn: Any, code: Any, resources: Resources, piece: Piece) -> None:
        """Have a piece of work done; its outcome is set in this object's thread."""
        piece.outcome.stop = lambda: self._inbox.put(("stop", piece))
        self._inbox.put(("new", fn, code, resources, piece))
        if self._left.is_set():
            self._refuse_rest()

    def close(self, *, cancel: bool) -> None:
        """End after what there is to do, or at once; returns when the cluster is left."""
        self._inbox.put(("close", cancel))
        if threading.current_thread() is not self._thread:
            while not self._left.wait(0.5):  # in parts: a signal is dealt with in between
                if self._is_gone and time.monotonic() - self._looked > _STUCK:
                    self._take_over()

    def _run(self) -> None:
        try:
            self._cluster = connect(self._settings, self._facts.root, self._facts.run_id)
            self._sender = Sender(self._cluster, self._channel, self._facts.say)
            self.nodes = self._cluster.nodes()
            if self._cluster.head is not None:
                self._watch = HeadWatch(self._cluster.head, self._head_is_gone)
        except BaseException as error:
            self._leave()
            self.ready.set_exception(error)
            return
        self.ready.set_result(None)
        try:
            while not (self._is_ending and not self._ledger):
                self._step()
        except BaseException as error:  # a bug of ours, or Ray's: work must not wait for ever
            self._broken = failures.said(error, self._facts.run_name, self._settings.shown)
            self._fail_all(self._broken)
        finally:
            self._leave()

    def _step(self) -> None:
        for message in self._received():
            getattr(self, f"_{message[0]}")(*message[1:])
        now = time.monotonic()
        self._ledger.settle_late(now)
        if self._cancelled_at is not None:
            if now - self._cancelled_at > _CANCELLING:
                self._fail_all(CancelledWorkError("cancelled"))
            return
        self._send(now)
        if self._ledger:
            self._look(now)

    def _received(self) -> list[tuple[Any, ...]]:
        messages = []
        with contextlib.suppress(queue.Empty):
            messages.append(self._inbox.get(timeout=_TICK if self._ledger else None))
            while True:
                messages.append(self._inbox.get_nowait())
        return messages

    # What comes in.

    def _new(self, fn: Any, code: Any, resources: Resources, piece: Piece) -> None:
        if self._cancelled_at is not None or self._is_gone:
            self._refuse(piece)
            return
        self._ledger.add(piece)
        wanted = (resources.cpus, resources.gpus, resources.memory, *sorted(resources.custom.items()))
        self._works.setdefault((fn, code, wanted), Work(fn, code, resources)).waiting.append(piece)

    def _ended(self, work: Work, number: int, answer: bytes | None, error: BaseException | None) -> None:
        task = work.on_way.pop(number, None)
        if task is None:
            return
        work.answered = self._warm = time.monotonic()
        found = pickle.loads(answer) if answer is not None else None  # noqa: S301  our own workers'
        if isinstance(found, OtherVersion):
            error = failures.not_installed(found.version)
        if error is not None or not isinstance(found, list):
            self._lose(task, error or MlxError("Ray gave nothing back"))
            return
        by_number = {answer.number: answer for answer in map(Answer._make, found)}
        for piece in reversed(task.pieces):
            if piece.number not in by_number and (self._cancelled_at is not None or piece.is_stopped):
                self._ledger.fail(piece, failures.cancelled(piece.label))
            elif piece.number not in by_number:
                work.waiting.appendleft(piece)  # not begun: what came before it in the task took too long
        for piece in task.pieces:
            done = by_number.get(piece.number)
            if done is not None:
                if done.seconds is not None:
                    work.learn(done.seconds)
                self._ledger.end(piece, ending(done.result, done.error, done.sent, done.events, _LATE))

    def _lose(self, task: Task, error: BaseException) -> None:
        for piece in task.pieces:
            is_wanted = self._cancelled_at is not None or piece.is_stopped
            said = (
                failures.cancelled(piece.label)
                if is_wanted
                else failures.said(error, piece.label, self._settings.shown)
            )
            is_lost = isinstance(said, WorkerLostError)
            self._ledger.end(piece, ending(None, said, piece.heard + is_lost, (), _LATE_WORDS))

    def _heard(self, batches: Sequence[bytes], done: threading.Event) -> None:
        try:
            self._ledger.hear(batches)
        finally:
            done.set()

    def _stop(self, piece: Piece) -> None:
        """End one piece of work; one that shares a task is over at once, or is not begun."""
        piece.is_stopped = True
        for work in self._works.values():
            if piece in work.waiting:
                work.waiting.remove(piece)
                self._ledger.fail(piece, failures.cancelled(piece.label))
        self._cancel_stopped()

    def _close(self, cancel: bool) -> None:
        self._is_ending = True
        if not cancel or self._cancelled_at is not None:
            return
        self._cancelled_at = time.monotonic()
        for work in self._works.values():
            waiting, work.waiting = list(work.waiting), type(work.waiting)()
            for piece in waiting:
                self._ledger.fail(piece, failures.cancelled(piece.label))
        self._cancel_tasks()

    def _cancel_tasks(self, wanted: Callable[[Task], bool] = lambda _: True) -> None:
        for task in itertools.chain.from_iterable(work.on_way.values() for work in self._works.values()):
            if wanted(task):
                self._cancel(task)

    def _cancel_stopped(self) -> None:
        """Ask again for the end of what was stopped: Ray does not say whether it heard."""
        self._cancel_tasks(lambda task: len(task.pieces) == 1 and task.pieces[0].is_stopped)

    def _cancel(self, task: Task) -> None:
        with contextlib.suppress(Exception):  # it is over, or nobody is there to be asked
            if self._cluster is not None:
                self._cluster.ray.cancel(task.ref, force=True)

    # What goes out.

    def _send(self, now: float) -> None:
        for work in self._works.values():
            if not work.waiting:
                continue
            room = places(work.resources, self.nodes)
            while pieces := work.next(room, now):
                self._start(work, pieces)

    def _start(self, work: Work, pieces: list[Piece]) -> None:
        assert self._sender is not None
        try:
            ref = self._sender.send(work, pieces)
        except Exception as error:
            self._lose(Task(None, pieces, 0.0), error)
            return
        number = next(self._tasks)
        work.on_way[number] = Task(ref, pieces, time.monotonic())
        ref.future().add_done_callback(
            lambda done: self._inbox.put(("ended", work, number, *outcome_of(done)))
        )

    def _fail_all(self, error: MlxError) -> None:
        for work in self._works.values():
            work.waiting.clear()
            work.on_way.clear()
        self._ledger.fail_all(error)

    # The cluster.

    def _look(self, now: float) -> None:
        """Open the channel when something takes its time, and see whether the head is there and what it has."""
        if self._cluster is None:
            return
        begun = min((work.begun for work in self._works.values() if work.on_way), default=now)
        if self._listener is None and now - begun > (_LISTEN_COLD if self._warm is None else _LISTEN_AFTER):
            self._listener = Listener(self._cluster.ray, self._channel, self._inbox.put)
            self._ledger.hears = True
        if now - self._looked > _LOOK and (not self._watch or self._watch.answers):
            self._looked = now
            self._cancel_stopped()
            with contextlib.suppress(Exception):  # a head that is slow to answer: what it had is good enough
                self.nodes = self._cluster.nodes() or self.nodes

    def _head_is_gone(self) -> None:
        """Have everything fail; called by the watch, which does it itself when this object's thread hangs."""
        taken = threading.Event()
        self._inbox.put(("gone", taken))
        if not taken.wait(_STUCK):
            self._take_over()

    def _gone(self, taken: threading.Event) -> None:
        taken.set()
        self._looked = time.monotonic()
        self._is_gone = True
        self._cancel_tasks()  # straight to the workers of other nodes, which wait a minute for the head
        self._fail_all(failures.head_gone(self._settings.shown))

    def _take_over(self) -> None:
        self._is_gone = True
        if self._cluster is not None:
            self._cluster.forsake()
        self._left.set()
        self._ledger.fail_all(failures.head_gone(self._settings.shown))
        self._refuse_rest()

    def _leave(self) -> None:
        if self._listener is not None:
            self._listener.close(kill=not self._is_gone)
        # References into the cluster end before the connection: one that ends later ends in the next connection.
        self._sender = self._listener = None
        self._works.clear()
        with contextlib.suppress(Exception):  # nothing that a person could do anything about
            if self._cluster is not None and self._is_gone:
                self._cluster.forsake()
            elif self._cluster is not None:
                self._cluster.disconnect()
        if self._watch is not None:
            self._watch.close()
        self._left.set()
        self._refuse_rest()

    def _refuse_rest(self) -> None:
        """Fail the work that nobody takes out of the inbox any more."""
        with contextlib.suppress(queue.Empty):
            while True:
                message = self._inbox.get_nowait()
                if message[0] == "new":
                    self._refuse(message[-1])

    def _refuse(self, piece: Piece) -> None:
        gone = failures.head_gone(self._settings.shown) if self._is_gone else None
        piece.outcome.set_exception(gone or self._broken or failures.cancelled(piece.label))
