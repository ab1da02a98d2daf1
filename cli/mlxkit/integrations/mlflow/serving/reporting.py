"""What a server says of itself, written down as well as the disk allows."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ....errors import MlxError
from ....stacks.deployers import State
from .places import Place
from .process import Worker
from .state import Status, Wanted, boot_id, remove_status, write_status


class Report:
    """Write the status when it is another than what is written; one that could not be written is tried again."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self._folder = folder
        self.answered = self.refusal = ""
        self._first = Status(os.getpid(), boot_id(), host, port, "", "starting", time.time())
        self._last = self._first
        self._written: Status | None = None

    def say(self, state: State, served: Wanted | None, reason: str, leaves_within: float) -> None:
        """Say what is going on."""
        status = replace(
            self._last,
            model=served.model if served else "",
            state=state,
            reason=reason,
            answered=self.answered,
            refusal=self.refusal,
            model_dir=served.model_dir if served else "",
            workers=served.workers if served else 0,
            max_body=served.max_body if served else 0,
            serves=served.id if served else "",
            leaves_within=leaves_within,
        )
        if (status.state, status.model) != (self._last.state, self._last.model):
            status = replace(status, since=time.time())
        self._last = status
        self._write()

    def finish(self, failure: str) -> None:
        """Say that it ends. Where that cannot be written, what was said before goes: it would be taken for a crash."""
        state: State = "failed" if failure else "stopped"
        self._last = replace(
            self._last,
            state=state,
            reason=failure,
            answered=self.answered,
            refusal=self.refusal,
            since=time.time(),
        )
        if not self._write() and not failure:
            with contextlib.suppress(OSError):
                remove_status(self._folder)

    def _write(self) -> bool:
        if self._last != self._written:
            try:
                write_status(self._folder, self._last)
            except (MlxError, OSError):
                return False
            self._written = self._last
        return True


def state_of(serving: Iterable[Worker], vacant: Iterable[Place], *, is_changing: bool) -> State:
    """Return the word for it; `failed` is one that nobody serves, though it is tried again and again."""
    if any(worker.phase == "accepting" for worker in serving):
        return "updating" if is_changing else "running"
    places = [*vacant, *(worker.place for worker in serving)]
    return "failed" if any(place.is_failing for place in places) else "starting"
