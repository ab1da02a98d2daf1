"""One tracker at a time in this process: its environment and MLflow's state, for as long as steps of it run."""

from __future__ import annotations

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
        self._turn = threading.Condition(threading.RLock())
        self._to: Connection | None = None
        self._steps = 0
        self._guard: EnvironmentGuard | None = None
        self._hook: ImportHook | None = None
        self.library: LibraryState | None = None

    @property
    def connection(self) -> Connection | None:
        """The tracker in use, or None."""
        return self._to

    def enter(self, to: Connection, experiment_name: str) -> None:
        """Point this process at a tracker, unless it is already."""
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
            self._to, self._guard = to, EnvironmentGuard()
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
