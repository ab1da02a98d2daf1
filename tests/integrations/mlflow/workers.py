"""Worker processes that log to a run of the test's process, forked from it or started from nothing."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from mlxkit.integrations.mlflow.session import MlflowRunTracking
from mlxkit.stacks.protocols import RunTracking, StepFacts, TrackerRun

from .conftest import Setting

PATIENCE = 120.0
_fork = multiprocessing.get_context("fork")
Work = Callable[[RunTracking], Any]


_mouth: list[Any] = []


def say(word: str) -> None:
    """Tell the test something from inside of a worker."""
    _mouth[-1].put(("said", word))


class Worker:
    """A forked process that joins the run and then does its work, together with the others."""

    def __init__(self, run: MlflowRunTracking, setting: Setting, handed: Any, work: Work, go: Any) -> None:
        self._run = run
        self._setting = setting
        self._events: Any = _fork.Queue()
        self._heard = _fork.Semaphore(0)
        self.said: list[Any] = []
        self.learned: list[TrackerRun] = []
        # What a driver hands over travels: a test must not pass because memory was inherited.
        self.process = _fork.Process(target=self._main, args=(pickle.dumps(handed), work, go), daemon=True)
        self.process.start()
        self._outcome: Any = None
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def result(self) -> Any:
        """Wait for the end of the work and return what it returned."""
        self._listener.join(PATIENCE)
        self.process.join(PATIENCE)
        assert self._outcome is not None, f"the worker said nothing, exit code {self.process.exitcode}"
        kind, value = self._outcome
        assert kind == "returned", value
        return value

    def wait_for(self, word: str) -> None:
        """Wait until the work says something."""
        for _ in range(int(PATIENCE * 20)):
            if word in self.said:
                return
            self._listener.join(0.05)
        raise AssertionError(f"the worker never said {word!r}: {self._outcome}")

    def kill(self) -> None:
        """End the process as `kill -9` does."""
        self.process.kill()
        self.process.join(PATIENCE)

    def _main(self, handed: bytes, work: Work, go: Any) -> None:
        _mouth.append(self._events)
        try:
            tracking = self._setting.make().join(pickle.loads(handed), self._announce)
            go.wait(PATIENCE)
            self._events.put(("returned", work(tracking)))
        except BaseException:
            self._events.put(("raised", traceback.format_exc()))

    def _announce(self, opened: TrackerRun) -> None:
        self._events.put(("opened", opened))
        assert self._heard.acquire(timeout=PATIENCE)

    def _listen(self) -> None:
        while self._outcome is None:
            is_alive = self.process.is_alive()  # asked first: what it said before it ended is still to come
            try:
                kind, value = self._events.get(timeout=0.5)
            except queue.Empty:
                if not is_alive:
                    return
                continue
            if kind == "opened":
                self._run.learned(value)
                self.learned.append(value)
                self._heard.release()
            elif kind == "said":
                self.said.append(value)
            else:
                self._outcome = (kind, value)


def start(run: MlflowRunTracking, setting: Setting, *works: tuple[StepFacts, Work]) -> list[Worker]:
    """Hand steps over and start a worker for each; they begin to work at the same time."""
    go = _fork.Event()
    workers = [Worker(run, setting, run.handed_over(step), work, go) for step, work in works]
    go.set()
    return workers


def step_of(name: str, body: Callable[[], Any], **facts: Any) -> tuple[StepFacts, Work]:
    """Return a step and the work that opens the tracker around `body`, and returns what the step remembers."""
    step = StepFacts(name, f"id-{name}", **facts)

    def work(tracking: RunTracking) -> Any:
        with tracking.step(step) as tracked:
            body()
        return tracked.metadata()

    return step, work


COLD = """
import os, pickle, sys
from pathlib import Path
from mlxkit.integrations.mlflow.tracker import MlflowTracker
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.protocols import StepFacts
from mlxkit.stacks.resolve import ResolvedComponent

attributes, state_dir, handed = pickle.loads(sys.stdin.buffer.read())
secret = ("tracking_username", "tracking_password")
attributes = {key: SecretValue(value) if key in secret else value for key, value in attributes.items()}
tracker = MlflowTracker(ResolvedComponent("experiment_tracker", "team", "mlflow", attributes), Path(state_dir))
opened = []
run = tracker.join(pickle.loads(handed), opened.append)
"""


def cold(setting: Setting, handed: Any, code: str) -> str:
    """Do work in a process that has nothing of this one, and return what it prints."""
    plain = {
        key: value.reveal() if hasattr(value, "reveal") else value
        for key, value in setting.attributes.items()
    }
    given = pickle.dumps((plain, str(setting.state_dir), pickle.dumps(handed)))
    done = subprocess.run(
        [sys.executable, "-c", COLD + code], input=given, capture_output=True, timeout=PATIENCE, env=dict(os.environ), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def points(setting: Setting, run_id: str, key: str) -> list[tuple[int, float]]:
    """Return every point of a metric as MLflow itself has it, by step."""
    import sqlite3
    from contextlib import closing

    if setting.scenario == "server":
        found = setting.reader.call(  # type: ignore[attr-defined]
            "GET", f"metrics/get-history?run_id={run_id}&metric_key={key}&max_results=20000"
        )
        return sorted((int(item.get("step", 0)), float(item["value"])) for item in found.get("metrics", []))
    with closing(sqlite3.connect(setting.reader.database)) as db:  # type: ignore[attr-defined]
        rows = db.execute("SELECT step, value FROM metrics WHERE run_uuid = ? AND key = ?", (run_id, key))
        return sorted((int(step), float(value)) for step, value in rows)
