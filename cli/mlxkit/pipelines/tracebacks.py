"""A traceback trimmed to the user's code."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType

_OURS = str(Path(__file__).resolve().parent.parent)
_RUNPY = ("<frozen runpy>", "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")


def user_traceback(error: BaseException) -> str:
    """Format an exception without the frames of mlxkit and of the import machinery; causes are kept.

    What UTF-8 cannot write (a file's name that is none) is escaped: the text is for records and logs.
    """
    return _formatted(error).encode("utf-8", "backslashreplace").decode()


def _formatted(error: BaseException) -> str:
    parts: list[str] = []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and cause is not error:
        parts.append(_formatted(cause))
        parts.append("\nThe above exception was the cause of the following one:\n")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_ours(frame.filename)]
    if frames:
        parts.append("Traceback (most recent call last):\n")
        parts.extend(traceback.format_list(frames))
    parts.extend(traceback.format_exception_only(type(error), error))
    for number, inner in enumerate(getattr(error, "exceptions", ()), 1):  # an exception group
        text = _formatted(inner)
        parts.append(f"  {number}. " + text.replace("\n", "\n     ") + "\n")
    return "".join(parts).rstrip("\n")


def summary_of(text: str) -> str:
    """Return the line of a formatted exception that names it: the first that is not indented after the last frame."""
    lines = text.strip().splitlines() or ["failed"]
    start = max((number for number, line in enumerate(lines) if line.startswith("  File ")), default=-1)
    return next((line for line in lines[start + 1 :] if line and not line.startswith(" ")), lines[-1])


def cause_of(error: BaseException | None) -> BaseException | None:
    """Return what the user's code raised where we raised an error of our own because of it."""
    return error.__cause__ or error if error is not None else None


def where(error: BaseException | None) -> str:
    """Return `file:line` of the innermost frame in user code, or an empty string."""
    found = ""
    trace: TracebackType | None = error.__traceback__ if error is not None else None
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not is_ours(name) and "site-packages" not in name:
            found = f"{name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def is_ours(filename: str) -> bool:
    """Say whether a file is one of mlxkit, or of the machinery that runs files."""
    return filename in _RUNPY or filename.startswith(_OURS)


def is_internal(error: BaseException) -> bool:
    """Say whether our own code raised, and not user code or a library it called (a handle only passes on)."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = trace.tb_frame.f_code.co_filename if trace is not None else ""
    return name.startswith(_OURS) and not name.endswith("handles.py")
