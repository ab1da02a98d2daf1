"""Inside of a detached run: the job takes the id that it was given, and tells of itself to who submitted it.

On the machine that submitted it the job works in that project's state folder, as any other run of the project. Elsewhere
its state goes with it, and what it makes is told over the artifact store, which both sides reach.
"""

from __future__ import annotations

import atexit
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from ...artifacts.store import EntryStore
from ...config.scratch import remove_folder, scratch_folder
from ...dataclass import dataclass
from ...errors import ConfigError, MlxError
from ...runs.detached.documents import document_of, error_document
from ...runs.detached.entries import Teller, submitted_name
from ...runs.detached.place import Place
from ...runs.history import History, history_path
from ...runs.liveness import is_alive
from ...runs.queries import RunQueries
from ...secrets.masking import mask_text
from ..session import Session

RUN, STATE = "MLX_JOB", "MLX_STATE"  # what the command line of a job sets
_PAUSE = 2.0  # seconds between two tellings
_SHARE = 20  # telling takes at most this part of the time
_AGAIN = (0.5, 1.0, 2.0, 4.0)  # seconds between tries to tell what is told last


@dataclass(frozen=True)
class Job:
    """The job that this process is: where it belongs, and what was known of its run when it was submitted."""

    place: Place
    code: Mapping[str, Any]
    invocation: Mapping[str, Any]
    name: str | None

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Job:
        """Read what `told` wrote."""
        place = Place.from_metadata(told)
        if place is None:
            raise MlxError("what this job was submitted with cannot be read")
        return cls(place, dict(told.get("code") or {}), dict(told.get("invocation") or {}), told.get("name"))

    def told(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            **self.place.noted(), "code": dict(self.code), "invocation": dict(self.invocation), "name": self.name,
        }  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """The run that this process was started for, and whether it works in the state folder that it was submitted from."""

    run_id: str
    is_here: bool


@contextmanager
def told_of(session: Session, claim: Claim) -> Iterator[None]:
    """Have the first run that is made inside be the one that was submitted, and tell of all of them."""
    run_id = claim.run_id
    if claim.is_here:
        session.job = _from_history(session, run_id)  # refuses one that is over, or that another process has
        with _failing(lambda error: session.history.finish_run(run_id, "failed", error=error), session):
            yield
        return
    store = session.store
    session.job = _from_store(store, run_id)
    telling = _Telling(session, cast(EntryStore, store), run_id)
    telling.start()
    try:
        with _failing(telling.failed, session):
            yield
    except BaseException:
        with suppress(Exception):  # the run's own error is what counts
            telling.finish()
        raise
    telling.finish()


def claimed() -> Claim:
    """Take the id that this job was given out of the environment: what it starts itself is no job.

    Where the state folder is not that of the submitted run, this is another machine, and the job gets one of its own:
    not in the folder that it was started in, which a cluster gives to all jobs with the same files, and lays out again.
    """
    run_id = os.environ.pop(RUN)
    named = os.environ.get(STATE)
    if named is not None and _has(Path(named), run_id):
        return Claim(run_id, is_here=True)
    folder = scratch_folder("job")
    os.environ[STATE] = str(folder)
    atexit.register(remove_folder, folder)
    return Claim(run_id, is_here=False)


def _has(state_dir: Path, run_id: str) -> bool:
    if not os.access(history_path(state_dir), os.R_OK | os.W_OK):
        return False
    history = History.to_read(state_dir)
    try:
        return history.connection.execute("SELECT 1 FROM runs WHERE id = ?", (run_id,)).fetchone() is not None
    finally:
        history.close()


def _from_history(session: Session, run_id: str) -> Job:
    run = RunQueries(session.history).get(run_id)
    if run.status != "running":
        raise MlxError(
            f"run {run.name!r} is over ({run.status}): its job cannot be started again",
            hint=f"mlx runs rerun {run_id}",
        )
    if is_alive(session.history.alive_dir, run_id):
        raise MlxError(f"run {run.name!r} goes on in another process", hint=f"mlx runs logs {run_id} -f")
    return Job.read({**run.metadata, "code": run.code, "name": run.name})


def _from_store(store: Any, run_id: str) -> Job:
    content = store.get_entry(submitted_name(run_id)) if hasattr(store, "get_entry") else None
    if content is None:
        raise ConfigError(
            f"artifact store {store.location}, as this job sees it, is not the one of the machine that submitted it: "
            "a run on another machine needs a store, and a tracker, that both reach",
            hint="mlx artifact-store register NAME --flavor=s3 --path=s3://...",
        )
    return Job.read(json.loads(content))


@contextmanager
def _failing(tell: Any, session: Session) -> Iterator[None]:
    """Tell of what ends a job before its run began; a run that began tells of its own end."""
    try:
        yield
    except BaseException as error:
        if not session.made:
            with suppress(Exception):  # the error itself is what counts
                tell(mask_text(_words(error)))
        raise
    if not session.made:
        tell("the file ended without a run")


def _words(error: BaseException) -> str:
    if isinstance(error, MlxError):
        return error.message + (f"\n{error.hint}" if error.hint else "")
    return f"{type(error).__name__}: {error}"


def _insistently(tell: Callable[[], None]) -> None:
    """Tell what nobody tells after us, also to a store that does not answer at once."""
    for pause in _AGAIN:
        try:
            tell()
            return
        except Exception:
            time.sleep(pause)
    tell()


class _Telling(threading.Thread):
    """Tells of the runs of a session over a store, again and again, and once more at the end.

    The end of the newest run is told with the job's own: until then another one may follow it.
    """

    def __init__(self, session: Session, store: EntryStore, run_id: str) -> None:
        super().__init__(name="mlx-telling", daemon=True)
        self._session = session
        self._run_id = run_id
        self._teller = Teller(store, run_id)
        self._is_over = threading.Event()
        self._state_dir = session.state_dir

    def run(self) -> None:
        pause = _PAUSE
        while not self._is_over.wait(pause):
            began = time.monotonic()
            with suppress(Exception):  # a store that does not answer now is tried again
                self._tell(is_end=False)
            pause = max(_PAUSE, _SHARE * (time.monotonic() - began))

    def failed(self, error: str) -> None:
        """Tell that there will be no run."""
        _insistently(lambda: self._teller.tell(self._run_id, error_document(self._run_id, error)))

    def finish(self) -> None:
        """Tell of how it all ended."""
        self._is_over.set()
        self.join()
        _insistently(lambda: self._tell(is_end=True))

    def _tell(self, *, is_end: bool) -> None:
        runs = list(self._session.made)
        if not runs:
            return
        history = History.to_read(self._state_dir)
        try:
            for run_id in reversed(runs):
                is_open = is_end or run_id != runs[-1] or RunQueries(history).get(run_id).status == "running"
                document = document_of(history, run_id) if is_open else None
                for path in sorted((self._state_dir / "logs" / run_id).glob("*.log")):
                    self._teller.tell_log(run_id, path)
                if document is not None:
                    self._teller.tell(run_id, document)
        finally:
            history.close()
