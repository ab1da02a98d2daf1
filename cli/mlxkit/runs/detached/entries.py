"""How a detached run tells of itself over a store that both sides reach: small documents beside the content.

`runs/<run>/submitted` is written by who submits, and proves to the job that it sees the same store. The job writes
`runs/<run>/doc/<id>/<number>`, of which the last counts, and `runs/<run>/log/<id>/<step>/<from>-<to>`: pieces of logs.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...artifacts.store import EntryStore
from ...config.files import make_private_dir
from ..history import History
from .documents import take_document
from .place import Place

PIECE = 1 << 20  # bytes of a log in one document


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
    """Take over what a job has told by now; returns the ids of its runs. What was taken is not asked for again."""
    start = f"runs/{place.run}"
    newest: dict[str, str] = {}
    for name in store.entries(f"{start}/doc/"):
        newest[name.split("/")[3]] = name
    for name in store.entries(f"{start}/log/"):
        _take_log(history, store, name)
    taken = []
    for name in newest.values():
        content = store.get_entry(name)
        if content is not None:  # else a newer one came meanwhile
            taken.append(take_document(history, content, place))
    return taken


def forget_entries(store: EntryStore, run_id: str) -> None:
    """Remove what a job told, once all of it was taken."""
    for name in list(store.entries(f"runs/{run_id}/")):
        store.delete_entry(name)


def _take_log(history: History, store: EntryStore, name: str) -> None:
    """Write a piece of a log where it belongs: it may have been taken before."""
    _, _, _, run_id, step, span = name.split("/")
    folder = history.state_dir / "logs" / run_id
    end = int(span.partition("-")[2])
    if any(path.stat().st_size >= end for path in folder.glob(f"{step}-*.log")):
        return
    content = store.get_entry(name)
    told: dict[str, Any] = json.loads(content) if content else {}
    file = str(told.get("file", ""))
    if not file.endswith(".log") or Path(file).name != file or not file.startswith(step):
        return
    path = make_private_dir(folder) / file
    with path.open("r+b" if path.exists() else "w+b") as out:
        path.chmod(0o600)
        out.seek(int(told["from"]))
        out.write(str(told["text"]).encode("utf-8", "surrogateescape"))
