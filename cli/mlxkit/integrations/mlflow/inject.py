"""One tracker at a time in this process: its environment and MLflow's state, for as long as steps of it run."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

from ...errors import MlxError
from . import active, environment
from .connection import Connection
from .environment import EnvironmentGuard
from .hook import ImportHook

if TYPE_CHECKING:
    from .library import LibraryState

_SQL_STORE = "mlflow.store.tracking.sqlalchemy_store"


class Injection:
    """Taken by the first step of a tracker, given back by the last one; steps of another tracker wait."""

    def __init__(self) -> None:
        self.turn = threading.RLock()
        self._turn = threading.Condition(self.turn)
        self._pid = os.getpid()
        self._to: Connection | None = None
        self._steps = 0
        self._guard: EnvironmentGuard | None = None
        self._hook: ImportHook | None = None
        self.library: LibraryState | None = None

    @property
    def connection(self) -> Connection | None:
        """The tracker in use, or None."""
        return self._to

    @property
    def is_inherited(self) -> bool:
        """Whether it was the parent of this process that pointed it at a tracker."""
        return self._to is not None and self._pid != os.getpid()

    def renew_lock(self) -> None:
        """Take a new lock in a forked child, where a thread that is not there may hold the old one."""
        self.turn = threading.RLock()
        self._turn = threading.Condition(self.turn)

    def forget(self) -> None:
        """Give everything back whoever still used it."""
        with self._turn:
            self._release()

    def enter(self, to: Connection, experiment_name: str) -> None:
        """Point this process at a tracker, unless it is already."""
        from . import forking  # noqa: F401 - which knows from here on what a forked child must forget

        if "mlflow" in sys.modules:
            # Another thread may be importing it: waiting for that while holding the lock, which its hook needs, would be for ever.
            import mlflow  # noqa: F401
        with self._turn:
            while self._to is not None and self._to is not to:
                if active.is_own_thread():
                    raise MlxError(
                        f"a step on tracker {self._to.name!r} runs here: one on {to.name!r} cannot start inside it"
                    )
                self._turn.wait()
            self._steps += 1
            if self._to is not None:
                return
            self._to, self._guard, self._pid = to, EnvironmentGuard(), os.getpid()
            try:
                environment.apply(to, experiment_name)
                self._hook = ImportHook({"mlflow": self.attach, _SQL_STORE: self._watch})
                self._hook.install()
                if "mlflow" in sys.modules:
                    self.attach()
            except BaseException:
                self._release()
                raise

    def leave(self) -> None:
        """Give everything back when this was the last step."""
        with self._turn:
            self._steps -= 1
            if self._steps == 0:
                self._release()

    def attach(self) -> None:
        """Take over MLflow's state; it has just been imported, or was before."""
        with self._turn:
            if self._to is not None and self.library is None:
                from .library import LibraryState

                self.library = LibraryState(self._to)

    def _watch(self) -> None:
        with self._turn:
            if self.library is not None:
                self.library.watch_sql_store()

    def _release(self) -> None:
        self._steps = 0
        try:
            if self._hook is not None:
                self._hook.remove()
            if self.library is not None:
                self.library.restore()
        finally:
            if self._guard is not None:
                self._guard.restore()
            self._to = self._guard = self._hook = self.library = None
            self._turn.notify_all()


injection = Injection()
