"""How a process ended, in words."""

from __future__ import annotations

import signal

_GUESSES = {
    signal.SIGKILL: "out of memory?",
    signal.SIGSEGV: "a crash in compiled code",
    signal.SIGBUS: "a crash in compiled code, or a full disk",
    signal.SIGABRT: "compiled code gave up",
    signal.SIGILL: "compiled for another processor?",
}


def how_it_ended(status: int | None) -> str:
    """Return what to say of an exit status, negative for a signal; None when the one who would know is gone."""
    if status is None:
        return "was lost with the process that it was forked from"
    if status >= 0:
        return f"exited with status {status} in the middle of it"
    guess = _GUESSES.get(-status)  # type: ignore[call-overload]
    try:
        name = f" ({guess or signal.Signals(-status).name})"
    except ValueError:  # a real-time signal has no name
        name = ""
    return f"was killed by signal {-status}{name}"
