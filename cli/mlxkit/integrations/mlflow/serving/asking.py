"""Ask a server that runs for something else, and take it back."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from ....errors import MlxError
from ....stacks.deployers import RefusedError, ServeSpec
from .log import not_served
from .looking import look
from .state import LOG, Wanted, holder, read_status, read_wanted, write_wanted

_ANSWERS_WITHIN = 15.0
_HEARS_WITHIN = 5.0
_PAUSE = 0.02


def wait_answered(spec: ServeSpec, wanted: Wanted) -> None:
    """Wait until the server is done with a request: another one may have to be finished first."""
    deadline = time.monotonic() + 2 * spec.ready_within + _ANSWERS_WITHIN
    while time.monotonic() < deadline:
        status = read_status(spec.folder)
        if status is not None and status.answered == wanted.id:
            if status.refusal:
                raise RefusedError(
                    f"{spec.model} is not served, {status.model} goes on: {status.refusal}",
                    hint=f"see {spec.folder / LOG}",
                )
            return
        if holder(spec.folder) is None:
            raise not_served(spec.folder, look(spec.folder).reason or "the server was stopped")
        time.sleep(_PAUSE)
    raise MlxError(
        f"{spec.model} was not taken over within {2 * spec.ready_within:g} s", hint=f"see {spec.folder / LOG}"
    )


def ask(folder: Path, pid: int, wanted: Wanted) -> None:
    """Write down what is wanted, and tell the server to look."""
    write_wanted(folder, wanted)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)


def what_is_served(spec: ServeSpec) -> Wanted | None:
    """Return what the server serves as what it was asked for: asked for again, it drops what was to take over."""
    status = read_status(spec.folder)
    if status is None or not status.serves:
        return read_wanted(spec.folder)
    return Wanted(
        id=status.serves,
        name=spec.name,
        model=status.model,
        model_dir=status.model_dir,
        host=status.host,
        port=status.port or 0,
        workers=status.workers,
        max_body=status.max_body,
        ready_within=spec.ready_within,
        has_token=spec.token is not None,
    )


def withdraw(spec: ServeSpec, pid: int, served: Wanted) -> None:
    """Have what was served go on. A server that has just changed over loads it again, and takes longer to answer."""
    ask(spec.folder, pid, served)
    begun = time.monotonic()
    while holder(spec.folder) is not None:
        status = read_status(spec.folder)
        if status is None or status.answered == served.id:
            return
        has_changed = status.serves not in ("", served.id)
        if time.monotonic() - begun > _HEARS_WITHIN + (spec.ready_within if has_changed else 0.0):
            return
        time.sleep(_PAUSE)
