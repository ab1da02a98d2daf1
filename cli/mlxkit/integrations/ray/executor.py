"""Steps on Ray: what is submitted here goes to workers in tasks, and one thread deals with what comes back."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYetError
from typing import Any, ClassVar

from ...stacks.executors import ExecutorFacts, LostWorkRetried, OnEvent, Resources
from .dispatcher import Dispatcher
from .packing import Piece
from .settings import RaySettings


class RayExecutor(LostWorkRetried):
    """Runs the steps of one run on a Ray cluster; the connection is made with the first of them."""

    name = "ray"
    is_here: ClassVar[bool] = False

    def __init__(self, settings: RaySettings, facts: ExecutorFacts) -> None:
        self._settings, self._facts = settings, facts
        self.losses = settings.losses
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._dispatcher: Dispatcher | None = None
        self._once = threading.local()

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
        """Give work to the cluster; what may not be done twice shares its task with nothing else."""
        self._once.is_alone = retries < 1
        try:
            return super().submit(
                fn,
                args,
                resources=resources,
                retries=retries,
                label=label,
                secrets=secrets,
                on_event=on_event,
            )
        finally:
            self._once.is_alone = False

    def _start(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        resources: Resources,
        label: str,
        secrets: Mapping[str, str],
        on_event: OnEvent,
        lost: int,
    ) -> Future[Any]:
        # The first argument is what many submissions share, and is sent once; the others are the piece's own.
        code, own = (args[0], tuple(args[1:])) if args else (None, ())
        is_alone = lost > 0 or getattr(self._once, "is_alone", False)
        piece = Piece(next(self._numbers), own, label, secrets, on_event, lost, is_alone)
        self._connected().submit(fn, code, resources, piece)
        return piece.outcome

    def cluster_resources(self) -> Sequence[Mapping[str, float]]:
        """Return what each node has in all; connects, and raises what keeps it from that."""
        return self._connected().nodes

    def close(self, *, cancel: bool = False) -> None:
        """Leave the cluster after what is on its way, or with `cancel` at once; nothing is left running."""
        if cancel:
            self._closing = True
        with self._lock:
            dispatcher = self._dispatcher
        if dispatcher is not None:
            dispatcher.close(cancel=cancel)

    def _connected(self) -> Dispatcher:
        with self._lock:
            if self._dispatcher is None:
                self._dispatcher = Dispatcher(self._settings, self._facts)
            ready = self._dispatcher.ready
        while True:
            try:
                ready.result(0.5)  # in parts: a signal is dealt with in between
            except NotYetError:
                if ready.done():
                    raise
            else:
                return self._dispatcher
