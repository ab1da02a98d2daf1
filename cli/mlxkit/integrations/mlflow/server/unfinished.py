"""The mark of a deployment that goes on: what it makes, so that whoever finds it can take everything away."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, field
from pathlib import Path

from ....config.files import write_atomic
from ....dataclass import dataclass
from ....errors import MlxError
from ....secrets.service import SecretService
from ....stacks.components import ComponentService
from . import ownership, process
from .store import UNFINISHED, ServerStore

KIND = "experiment_tracker"


@dataclass
class Mark:
    """The secret and its proof, the tracker's address, and the paths beyond the folder with what each is known by."""

    secret: str = ""
    proof: str = ""
    url: str = ""
    outside: dict[str, str] = field(default_factory=dict)


def write_mark(folder: Path, mark: Mark) -> None:
    """Write down what is about to be made."""
    write_atomic(folder / UNFINISHED, json.dumps(asdict(mark)).encode())


def read_mark(folder: Path) -> Mark:
    """Return what was written down; an empty mark when it cannot be read."""
    with contextlib.suppress(OSError, ValueError, RecursionError, TypeError, AttributeError):
        mark = Mark(**json.loads((folder / UNFINISHED).read_bytes()))
        words = (mark.secret, mark.proof, mark.url, *mark.outside, *mark.outside.values())
        if all(isinstance(word, str) for word in words):
            return mark
    return Mark()


def make_outside(folder: Path, mark: Mark, database: Path | None) -> None:
    """Make the empty database that lies elsewhere, and write down what it is known by."""
    if database is not None and str(database) in mark.outside:
        mark.outside[str(database)] = ownership.make_file(database)
        write_mark(folder, mark)


def clear(store: ServerStore, name: str, mark: Mark | None = None) -> None:
    """Take away what a deployment has made that did not end: its process, secret, tracker, data and folder.

    The caller holds the lock. The mark goes last: what cannot be taken away now can be later. Raises MlxError for
    a folder elsewhere that is no longer empty, when everything else is gone.
    """
    folder = store.folder(name)
    mark = mark or read_mark(folder)
    process.stop(folder)
    if mark.secret:
        ownership.delete_secret(SecretService(), mark.secret, mark.proof)
        components = ComponentService(store.project)
        for found in components.list(KIND):
            if found.name == name and found.attributes.get("tracking_uri") == mark.url:
                components.delete(KIND, name)
    left = []
    for path, known_by in mark.outside.items():
        try:
            ownership.remove(Path(path), known_by)
        except OSError as error:
            left.append(f"{path} ({error.strerror})")
    store.remove(name)
    if left:
        raise MlxError(f"not removed: {'; '.join(left)}")
