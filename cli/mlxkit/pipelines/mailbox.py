"""Work that threads leave for each other, done one at a time: by the main thread while it waits, else by another.

Python forks safely only while the thread that runs user code stands still in ours, and a worker that is forked has
every import done. So what other threads have to say is acted on in the main thread whenever that has nothing to do.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

Job = Callable[[], None]


class Mailbox:
    """A queue of jobs with one consumer at a time."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._doing = threading.RLock()
        self._waits = self._is_stood_in_for = False
        self._is_closed = False
        self._problem: BaseException | None = None
        self._thread: threading.Thread | None = None

    @property
    def has_problem(self) -> bool:
        """Whether a job failed."""
        return self._problem is not None

    def put(self, job: Job) -> None:
        """Leave a job."""
        with self._changed:
            self._jobs.append(job)
            self._changed.notify_all()

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Do jobs in this thread until something is so; raises what a job raised, in any thread."""
        try:
            with self._changed:
                self._waits = True
            while True:
                with self._changed:
                    while not (self._jobs or self._problem or is_so()):
                        self._changed.wait(1.0)
                    if self._problem is not None:
                        raise self._problem
                    if is_so():
                        return
                    job = self._jobs.popleft()
                self._do(job)
        finally:
            with self._changed:
                self._waits = False
                self._changed.notify_all()

    def at_once(self, job: Job) -> None:
        """Do a job now, when nobody else does one."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._stand_in, name="mlx-steps", daemon=True)
            self._thread.start()
        self._do(job)

    def drain(self) -> None:
        """Do what is there now, in this thread, whatever failed before; what fails in it is left alone.

        Afterwards nobody is in the middle of a job.
        """
        with self._changed:
            self._waits = True
        while True:
            with self._changed:
                while self._is_stood_in_for and not self._jobs:
                    self._changed.wait()
                if not self._jobs:
                    return
                job = self._jobs.popleft()
            with suppress(BaseException):
                self._do(job)

    def close(self) -> None:
        """Do no more jobs; what is left is dropped."""
        with self._changed:
            self._is_closed = True
            self._jobs.clear()
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5.0)

    def _stand_in(self) -> None:
        """Do the jobs while the other thread is elsewhere."""
        while True:
            with self._changed:
                while not self._is_closed and (self._waits or not self._jobs or self._problem is not None):
                    self._changed.wait()
                if self._is_closed:
                    return
                job = self._jobs.popleft()
                self._is_stood_in_for = True
            with suppress(BaseException):  # raised where the pipeline is
                self._do(job)
            with self._changed:
                self._is_stood_in_for = False
                self._changed.notify_all()  # what somebody waits for may be so now

    def _do(self, job: Job) -> None:
        """Do a job; after one that failed nothing is as it should be, and no other is begun."""
        try:
            with self._doing:
                job()
        except BaseException as problem:
            with self._changed:
                self._problem = self._problem or problem
                self._changed.notify_all()
            raise
