"""What the steps of a run printed: read as it is, or followed while another process writes it."""

from __future__ import annotations

import time
from codecs import getincrementaldecoder
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from .liveness import is_alive
from .queries import RunQueries

_PAUSE = 0.2  # seconds between two looks
_LOOKS_A_PULSE = 10  # looks between two questions whether the process still lives
_PIECE = 256 * 1024


class Piece(NamedTuple):
    """Some text of a step's log; `is_new` where another step's text came before it."""

    step: str
    text: str
    is_new: bool


def log_files(state_dir: Path, run_id: str, step: str | None = None) -> list[tuple[str, Path]]:
    """Return step and log of the steps that printed something so far, in the order they were called."""
    folder = state_dir / "logs" / run_id
    named = [(path.stem.partition("-")[2], path) for path in sorted(folder.glob("*.log"))]
    return [(name, path) for name, path in named if step is None or name == step]


def logs_of(
    queries: RunQueries, state_dir: Path, reference: str, step: str | None, *, tail: int | None = None
) -> list[tuple[str, str]]:
    """Return (step, text) of what a run's steps printed, or of one step; a step that printed nothing is left out.

    `tail` keeps the last lines of all of it together. Raises NotFoundError for a run or a step that there is not.
    """
    run = queries.get(reference)
    files = log_files(state_dir, run.id, step)
    if step is not None and not files:
        queries.step(run.id, step)
    if tail is not None:
        return _last(files, tail)
    return [(name, path.read_text("utf-8", errors="replace")) for name, path in files]


def follow(
    queries: RunQueries,
    state_dir: Path,
    reference: str,
    step: str | None,
    *,
    tail: int | None = None,
    ask: Callable[[], object] | None = None,
) -> Iterator[Piece]:
    """Yield what a run has printed, and then what it prints, until it ends; also what a later step begins to print.

    A run that goes on elsewhere has no process here: `ask` brings it up to date.
    Raises NotFoundError for a run that there is not, and at the end for a step that never came.
    """
    run_id = queries.get(reference).id
    is_over = _ending(queries, state_dir / "running", run_id, ask)
    logs: dict[Path, _Log] = {}
    last = ""
    if tail is not None:
        files = log_files(state_dir, run_id, step)
        logs = {path: _Log(path, path.stat().st_size) for _, path in files}
        for name, text in _last(files, tail, logs):
            yield Piece(name, text, name != last)
            last = name
    while True:
        was_over = is_over()  # asked before reading: what was printed until then is read below
        for name, path in log_files(state_dir, run_id, step):
            log = logs.setdefault(path, _Log(path))
            for text in log.read():
                yield Piece(name, text, name != last)
                last = name
        if was_over:
            break
        time.sleep(_PAUSE)
    if step is not None and not logs:
        queries.step(run_id, step)


class _Log:
    """A log that is read as far as it goes."""

    def __init__(self, path: Path, position: int = 0) -> None:
        self._path = path
        self.position = position
        self._decoder = getincrementaldecoder("utf-8")("replace")  # a piece may end inside a character

    def read(self) -> Iterator[str]:
        """Yield what was added since the last time."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:  # the run is being deleted
            return
        with file:
            file.seek(self.position)
            while piece := file.read(_PIECE):
                self.position += len(piece)
                text = self._decoder.decode(piece)
                if text:
                    yield text


def _last(
    files: list[tuple[str, Path]], count: int, logs: dict[Path, _Log] | None = None
) -> list[tuple[str, str]]:
    """Return the last lines of several logs together, with `logs` only as far as those were read."""
    kept: deque[tuple[str, str]] = deque(maxlen=count)
    for name, path in files:
        left = logs[path].position if logs is not None else -1
        with path.open("rb") as file:
            content = file.read(left)
        kept.extend((name, line) for line in content.decode("utf-8", "replace").splitlines(keepends=True))
    found: list[tuple[str, str]] = []
    for name, line in kept:
        if found and found[-1][0] == name:
            found[-1] = (name, found[-1][1] + line)
        else:
            found.append((name, line))
    return found


def _ending(
    queries: RunQueries, alive_dir: Path, run_id: str, ask: Callable[[], object] | None
) -> Callable[[], bool]:
    """Return a question: whether the run has ended, or its process with it."""
    looks = 0

    def is_over() -> bool:
        nonlocal looks
        looks += 1
        if queries.get(run_id).status != "running":
            return True
        if looks % _LOOKS_A_PULSE:
            return False
        if ask is not None:
            ask()
            return queries.get(run_id).status != "running"
        try:
            return not is_alive(alive_dir, run_id)
        except OSError:  # a mark that may not be opened says nothing
            return False

    return is_over
