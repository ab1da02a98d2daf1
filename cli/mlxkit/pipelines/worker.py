"""What a worker makes of the facts of a run: a session with its store and trackers, kept from step to step."""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from ..artifacts.store import ArtifactStore
from ..config.paths import Project
from ..config.scratch import remove_folder, scratch_folder
from ..stacks.resolve import ResolvedStack
from .context import PipelineContext
from .models import Model
from .reporting import LineReporter
from .session import RunOptions, Session, use_session
from .wire import RunSetting, StepTask, unsealed


class WorkerSession:
    """The session of the run whose steps this process executes."""

    _kept: ClassVar[WorkerSession | None] = None

    def __init__(self, setting: RunSetting, secrets: Mapping[str, str]) -> None:
        self.setting = setting
        stack = ResolvedStack(
            setting.stack, {item.kind: unsealed(item, secrets) for item in setting.components}
        )
        options = RunOptions(stack=setting.stack, file=Path(setting.file) if setting.file else None)
        self.session = Session(options, project=_project(setting), reporter=LineReporter(is_quiet=True))
        self.session.prepare(stack, [unsealed(item, secrets) for item in setting.trackers])

    @classmethod
    def of(cls, task: StepTask, secrets: Mapping[str, str]) -> WorkerSession:
        """Return the session for a step: that of the last one where it belongs to the same run.

        A worker belongs to one run and ends with it, and the secrets that it was given with it.
        """
        kept = cls._kept
        if kept is None or kept.setting != task.setting:
            kept = cls._kept = WorkerSession(task.setting, secrets)
        return kept

    def context(
        self, task: StepTask, parameters: Mapping[str, Any] | None = None, model: Model | None = None
    ) -> PipelineContext:
        """Return the context of the run for one step; what it is told there does not stay for the next."""
        setting = task.setting
        return PipelineContext(
            setting.pipeline, setting.run_id, setting.run_name, setting.stack, parameters or {},
            metadata=dict(setting.metadata), model=model, session=self.session,
        )  # fmt: skip

    @property
    def store(self) -> ArtifactStore:
        """The artifact store of the run."""
        return self.session.store

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Make it the session of what the step calls."""
        with use_session(self.session):
            yield


def host_of_this_process() -> str:
    """Return what tells this machine from another: its name, and which of its starts this is."""
    name = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{name}/{boot}"


_folders: dict[str, Path] = {}  # what stands for the state folder of a project that is on another machine


def _project(setting: RunSetting) -> Project:
    """Return the project where it is, or a folder of this process' own on a machine that has it not."""
    config, state = Path(setting.config_path), Path(setting.state_dir)
    if setting.host != host_of_this_process() or not os.access(state, os.W_OK):
        if setting.run_id not in _folders:
            _folders[setting.run_id] = scratch_folder("worker")
            atexit.register(remove_folder, _folders[setting.run_id])
        folder = _folders[setting.run_id]
        config, state = folder / config.name, folder / state.name
    return Project(config, state, setting.origin)
