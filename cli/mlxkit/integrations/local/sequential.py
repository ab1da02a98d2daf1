"""Steps one after the other, in the process that was started: nothing is queued, so there is nothing to end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ...stacks.executors import OnEvent
from ...stacks.resources import Resources
from .machine import this_machine

if TYPE_CHECKING:
    from concurrent.futures import Future


class SequentialExecutor:
    """Calls what it is given at once."""

    name = "local"
    is_here: ClassVar[bool] = True
    losses = 0

    def submit(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        *,
        resources: Resources,
        retries: int = 0,
        label: str = "",
        secrets: Mapping[str, str] | None = None,
        on_event: OnEvent | None = None,
    ) -> Future[Any]:
        """Call the function now; what it raises is raised here, Ctrl-C included."""
        return cast("Future[Any]", Done(fn(*args)))

    def cluster_resources(self) -> Sequence[Mapping[str, float]]:
        """Return what this machine has."""
        return [this_machine()]

    def close(self, *, cancel: bool = False) -> None:
        """Nothing is open."""


class Done:
    """A future that is over: making one of Python's own costs as much as a whole step, and their import 5 ms."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def result(self, timeout: float | None = None) -> Any:
        """Return what the call returned."""
        return self._value

    def done(self) -> bool:
        """Say that it is."""
        return True

    def cancel(self) -> bool:
        """Say that it is too late."""
        return False

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        """Call back at once."""
        callback(self)
