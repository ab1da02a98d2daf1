"""How a detached run tells of itself over a store that both sides reach: small documents beside the content.

`runs/<run>/submitted` is written by who submits, and proves to the job that it sees the same store. The job writes
`runs/<run>/doc/<id>/<number>`, of which the last counts, and `runs/<run>/log/<id>/<step>/<from>-<to>`: pieces of logs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

from ...artifacts.store import EntryStore
from ...config.files import make_private_dir
from ...errors import MlxError
from ..history import History
from .documents import is_of_job, take_document
from .place import Place

PIECE = 1 << 20  # bytes of a log in one document
_LARGEST_LOG = 1 << 30  # bytes that are kept of the log of a step
_LARGEST_PIECE = 8 * PIECE  # as JSON
_LONGEST_NAME = 255  # bytes
_PIECE_NAME = re.compile(r"runs/[^/]+/log/([^/]+)/(\d{5})/(\d{12})-(\d{12})", re.ASCII)
_LOG_NAME = re.compile(r"(\d{5})-[^/\\\0]+\.log", re.ASCII)


def submitted_name(run_id: str) -> str:
    """Return the name of what says that a run was submitted."""
    return f"runs/{run_id}/submitted"


class Teller:
    """The job's side: writes what is new since the last time."""

    def __init__(self, store: EntryStore, run_id: str) -> None:
        self._store = store
        self._start = f"runs/{run_id}"
        self._last: dict[str, tuple[int, bytes]] = {}
        self._read: dict[Path, int] = {}

    def tell(self, run_id: str, document: bytes) -> None:
        """Write a document of a run unless the last one said the same; the one before goes."""
        number, before = self._last.get(run_id, (0, b""))
        if document == before:
            return
        self._store.put_entry(f"{self._start}/doc/{run_id}/{number + 1:08d}", document)
        self._last[run_id] = (number + 1, document)
        if number:
            with suppress(Exception):  # an old one that stays does no harm
                self._store.delete_entry(f"{self._start}/doc/{run_id}/{number:08d}")

    def tell_log(self, run_id: str, path: Path) -> None:
        """Write what was added to the log of a step."""
        start = self._read.get(path, 0)
        step = path.name.partition("-")[0]
        with path.open("rb") as file:
            file.seek(start)
            while piece := file.read(PIECE):
                end = start + len(piece)
                told = {"file": path.name, "from": start, "text": piece.decode("utf-8", "surrogateescape")}
                self._store.put_entry(
                    f"{self._start}/log/{run_id}/{step}/{start:012d}-{end:012d}", json.dumps(told).encode()
                )
                start = self._read[path] = end


def take_entries(history: History, store: EntryStore, place: Place) -> list[str]:
    """Take over what a job has told by now; returns the ids of its runs. What was taken is not asked for again.

    What is not named as a job names it is left alone. Raises MlxError for a document that cannot be believed, after the
    others were taken.
    """
    start = f"runs/{place.run}"
    newest: dict[str, str] = {}
    for name in store.entries(f"{start}/doc/"):
        run_id, slash, number = name.removeprefix(f"{start}/doc/").partition("/")
        if slash and number.isdecimal() and is_of_job(history, run_id, place):
            newest[run_id] = name
    for name in store.entries(f"{start}/log/"):
        _take_log(history, store, name, {place.run, *newest})
    taken, wrong = [], None
    for run_id, name in newest.items():
        content = store.get_entry(name)
        if content is None:  # a newer one came meanwhile
            continue
        try:
            taken.append(take_document(history, content, place, run_id))
        except MlxError as error:
            wrong = wrong or error
    if wrong is not None:
        raise wrong
    return taken


def forget_entries(store: EntryStore, run_id: str) -> None:
    """Remove what a job told, once all of it was taken."""
    for name in list(store.entries(f"runs/{run_id}/")):
        store.delete_entry(name)


def _take_log(history: History, store: EntryStore, name: str, run_ids: Container[str]) -> None:
    """Write a piece of a log where it belongs: it may have been taken before, and follows what was taken."""
    found = _PIECE_NAME.fullmatch(name)
    if found is None or found[1] not in run_ids:
        return
    step, start, end = found[2], int(found[3]), int(found[4])
    folder = history.state_dir / "logs" / found[1]
    if not start < end <= min(start + PIECE, _LARGEST_LOG):
        return
    if any(path.stat().st_size >= end for path in folder.glob(f"{step}-*.log")):
        return
    told = _piece(store.get_entry(name) or b"")
    if told is None or told[0].partition("-")[0] != step or len(told[1]) != end - start:
        return
    path = folder / told[0]
    if (path.stat().st_size if path.exists() else 0) < start:  # the one before it is not there
        return
    make_private_dir(folder)
    with path.open("r+b" if path.exists() else "w+b") as out:
        path.chmod(0o600)
        out.seek(start)
        out.write(told[1])


def _piece(content: bytes) -> tuple[str, bytes] | None:
    """Return the file and the bytes that a piece of a log is of; None for what is none."""
    if len(content) > _LARGEST_PIECE:
        return None
    try:
        told = json.loads(content)
        file, text = told["file"], told["text"].encode("utf-8", "surrogateescape")
        return (file, text) if _LOG_NAME.fullmatch(file) and len(file.encode()) < _LONGEST_NAME else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
