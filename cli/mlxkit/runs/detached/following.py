"""What became of detached runs: asked of the cluster, and of the store that the job tells of itself in."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from ...artifacts.store import ArtifactStore, EntryStore
from ...config.files import make_private_dir
from ...dataclass import dataclass
from ...errors import MlxError
from ...stacks.jobs import Jobs, JobState
from ..history import History
from ..queries import RunQueries
from ..records import RunRecord
from .entries import forget_entries, take_entries
from .place import Place, detached_running

JOB_LOG = "99999-job.log"  # after those of the steps
_TAIL = 20  # lines of a job's output in the error of a run
_LOG_LIMIT = 1 << 20
_PUZZLING = 5.0  # seconds that it may be unknown how a job is that was stopped
_SETTLING = 20.0  # seconds that a job's last words may take to be seen in the store


@dataclass(frozen=True)
class News:
    """What was found out about a run: its record as it is now, and what nobody could be asked.

    `unknown` says why it is not known how the run is; then the record is what was known last.
    """

    run: RunRecord
    unknown: str = ""


@dataclass(frozen=True)
class Follower:
    """Asks about detached runs, and writes into history what it is told."""

    history: History
    jobs_of: Callable[[Place], Jobs]
    store_of: Callable[[str], ArtifactStore | None]

    def refresh(self, run: RunRecord) -> News:
        """Find out how a run is. One that is over, or was never detached, is left alone."""
        place = Place.of(run)
        if place is None or run.status != "running":
            return News(run)
        try:
            self._take(place)
            if self._now(run).status == "running":
                state = self.jobs_of(place).state(place.job)
                if state.is_over:
                    self._settle(place, run, state)
        except MlxError as error:
            return News(self._now(run), error.message)
        except OSError as error:  # of a store that is a folder
            return News(
                self._now(run), f"{error.filename or 'the artifact store'}: {error.strerror or error}"
            )
        return News(self._now(run))

    def refresh_all(self) -> list[News]:
        """Find out about all that have no end yet."""
        return [self.refresh(run) for run in detached_running(self.history)]

    def cancel(self, run: RunRecord, *, patience: float) -> News:
        """Stop a run's job and wait for its end, which is `killed`; raises MlxError when the cluster cannot be asked to."""
        place = _place(run)
        jobs = self.jobs_of(place)
        jobs.stop(place.job)
        deadline = time.monotonic() + patience
        while True:
            news = self.refresh(run)
            if news.unknown:
                deadline = min(deadline, time.monotonic() + _PUZZLING)
            if news.run.status != "running" or time.monotonic() > deadline:
                return news
            time.sleep(0.3)

    def give_up(self, run: RunRecord, why: str) -> RunRecord:
        """Note that nobody will ever know how a run ended, because its cluster cannot be asked any more."""
        self._finish(_place(run), run, "interrupted", f"given up: {why}")
        return self._now(run)

    def _take(self, place: Place) -> None:
        """Take over what the job has told; one that works in this state folder has nothing to tell."""
        store = self._store(place)
        if store is not None:
            taken = take_entries(self.history, store, place)
            if taken and self._is_all_over(taken):
                try:
                    forget_entries(store, place.run)
                except MlxError:  # what stays there is in nobody's way
                    return

    def _settle(self, place: Place, run: RunRecord, state: JobState) -> None:
        """End a run whose job is over: it has said how, or died without a word."""
        deadline = time.monotonic() + _SETTLING
        while state.status != "vanished":
            self._take(place)
            if self._now(run).status != "running":
                return
            if self._store(place) is None or time.monotonic() > deadline:
                break
            time.sleep(0.5)
            deadline = min(deadline, time.monotonic() + 2.0)  # a store shows what is there at once, or soon
        if state.status == "stopped":
            self._finish(place, run, "killed", "the job was stopped")
        elif state.status == "vanished":
            self._finish(place, run, "interrupted", f"job {place.job} is gone: {state.message}")
        else:
            log = self._keep_log(place)
            said = _tail(log) or state.message or "the job ended without a word"
            self._finish(place, run, "failed", said)

    def _finish(self, place: Place, run: RunRecord, status: str, error: str) -> None:
        """End a run, and others that its job had begun; their trackers are left to the sweep."""
        for other in detached_running(self.history):
            known = Place.of(other)
            if known is not None and known.job == place.job:
                self.history.finish_run(
                    other.id, status, error=error if other.id == run.id else f"run {run.id}: {error}", close_trackers=False,
                )  # fmt: skip

    def _keep_log(self, place: Place) -> str:
        """Keep what the job itself printed beside the logs of its steps: it says what went wrong outside of them."""
        from ...secrets.masking import mask_text

        text = mask_text(self.jobs_of(place).log(place.job))[-_LOG_LIMIT:]
        if text:
            path: Path = make_private_dir(self.history.state_dir / "logs" / place.run) / JOB_LOG
            path.write_text(text, encoding="utf-8", errors="replace")
            path.chmod(0o600)
        return text

    def _store(self, place: Place) -> EntryStore | None:
        store = self.store_of(place.stack)
        is_told_in = store is not None and hasattr(store, "put_entry") and cast(EntryStore, store).is_shared
        return cast(EntryStore, store) if is_told_in else None

    def _is_all_over(self, run_ids: list[str]) -> bool:
        return all(RunQueries(self.history).get(run_id).status != "running" for run_id in run_ids)

    def _now(self, run: RunRecord) -> RunRecord:
        return RunQueries(self.history).get(run.id)


def _place(run: RunRecord) -> Place:
    place = Place.of(run)
    if place is None:
        raise MlxError(f"run {run.name!r} is not a detached one")
    return place


def _tail(log: str) -> str:
    """Return the last lines of a job's output, from its last `error:` on where there is one."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    start = max((index for index, line in enumerate(lines) if line.startswith("error:")), default=None)
    kept = lines[start:] if start is not None else lines
    return "\n".join(kept[-_TAIL:])
