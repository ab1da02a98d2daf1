"""How a version's files get to a deployment and are served from there, or nothing is left behind."""

from __future__ import annotations

import contextlib
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from ..errors import MissingDependencyError, MlxError, UsageError
from ..secrets.value import SecretValue
from ..stacks.deployers import ModelDeployer, ServeSpec
from ..stacks.registries import ModelRegistry, ModelVersion
from .entries import LARGEST_BODY, LONGEST_READY, MODELS, MOST_WORKERS, DeploymentEntry
from .store import DeploymentStore


def fetch(registry: ModelRegistry, version: ModelVersion, folder: Path) -> str:
    """Download a version into a new folder under `models/` and return that folder's name."""
    files = f"{version.version}-{secrets.token_hex(4)}"
    registry.download(version, folder / MODELS / files)
    return files


def examined(deployer: ModelDeployer, model_dir: Path, *, ignore: bool) -> list[str]:
    """Return warnings about serving these files here; missing packages are one of them when they are to be ignored."""
    try:
        return deployer.examine(model_dir)
    except MissingDependencyError as error:
        if not ignore:
            raise MissingDependencyError(
                error.message,
                hint=f"{error.hint}; or --ignore-requirements" if error.hint else "--ignore-requirements",
            ) from error
        return [error.message]


def model_of(entry: DeploymentEntry) -> str:
    """Return what a deployer is told that it serves."""
    return f"{entry.model}:{entry.version}"


def spec_of(entry: DeploymentEntry, token: SecretValue | None, *, port: int) -> ServeSpec:
    """Return what the deployer is asked for."""
    return ServeSpec(
        name=entry.name, folder=entry.folder, model_dir=entry.model_dir, model=model_of(entry),
        host=entry.host, port=port, workers=entry.workers, max_body=entry.max_body, token=token,
        ready_within=entry.ready_within,
    )  # fmt: skip


@contextlib.contextmanager
def undone_on_failure(store: DeploymentStore, deployer: ModelDeployer, name: str) -> Iterator[None]:
    """Leave neither a process nor a folder of a new deployment when anything inside fails, Ctrl-C included."""
    try:
        yield
    except BaseException as error:
        with uninterrupted():
            remove(store, deployer, name)
        if isinstance(error, MlxError) and error.hint and str(store.folder / name) in error.hint:
            error.hint = None  # it names a file that is gone with the rest
        raise


def remove(store: DeploymentStore, deployer: ModelDeployer, name: str) -> None:
    """Stop what is served from a deployment's folder and remove it; nothing happens when there is none."""
    folder = store.folder / name
    if folder.exists():
        deployer.stop(folder)
        store.remove(name)


@contextlib.contextmanager
def in_time(ready_within: float, command: str) -> Iterator[None]:
    """Name the command that gives more time, when what fails inside has taken all that there was."""
    began = time.monotonic()
    try:
        yield
    except MlxError as error:
        if time.monotonic() - began >= ready_within:
            error.hint = f"{command} --timeout {min(2 * ready_within, LONGEST_READY):g}"
        raise


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Have Ctrl-C wait for what is inside, where signals arrive (the main thread)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: arrived.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if arrived:
            signal.raise_signal(signal.SIGINT)


def with_origin(entry: DeploymentEntry) -> DeploymentEntry:
    """Return the entry with the pipeline, run and step that this code runs in, when it runs in one."""
    from ..pipelines.context import current_pipeline, current_step

    step = current_step.get()
    run = step.run if step is not None else current_pipeline.get()
    if run is None:
        return entry
    return replace(entry, pipeline=run.name, run=run.run_id, step=step.name if step is not None else "")


def now() -> str:
    """Return the time as records hold it."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def check_numbers(workers: int, max_body: int, ready_within: float) -> None:
    """Raise for a number that no server could be started with."""
    for name, value, least, most in (
        ("workers", workers, 1, MOST_WORKERS),
        ("max_body", max_body, 1, LARGEST_BODY),
        ("timeout", ready_within, 0.1, LONGEST_READY),
    ):
        if not least <= value <= most:  # nan is neither
            raise UsageError(f"{name} is {value}, and has to be from {least} to {most:g}")
