"""What code inside a step or a pipeline body can ask about where it runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ..errors import UsageError
from ..records import plain


@dataclass
class PipelineContext:
    """The running pipeline: names, ids, parameters."""

    name: str
    run_id: str
    run_name: str
    stack: str
    parameters: Mapping[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def pipeline(self) -> Named:
        """The pipeline, by name (ZenML's form: `context.pipeline.name`)."""
        return Named(self.name, self.name)

    @property
    def pipeline_run(self) -> Named:
        """The run: its name and id."""
        return Named(self.run_name, self.run_id)


@dataclass(frozen=True)
class Named:
    """Something with a name and an id."""

    name: str
    id: str


@dataclass
class StepContext:
    """The running step: names, ids, the attempt (from 1) and what it was given, artifacts by source and digest."""

    name: str
    step_run_id: str
    attempt: int
    parameters: Mapping[str, Any]
    run: PipelineContext
    inputs: Mapping[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def step_name(self) -> str:
        """The step's name."""
        return self.name

    @property
    def step_run(self) -> Named:
        """The step run: its name and id."""
        return Named(self.name, self.step_run_id)

    @property
    def pipeline(self) -> Named:
        """The pipeline, by name."""
        return self.run.pipeline

    @property
    def pipeline_run(self) -> Named:
        """The run: its name and id."""
        return self.run.pipeline_run


current_step: ContextVar[StepContext | None] = ContextVar("mlx_step", default=None)
current_pipeline: ContextVar[PipelineContext | None] = ContextVar("mlx_pipeline", default=None)


def get_step_context() -> StepContext:
    """Return the context of the running step; raises UsageError outside one."""
    context = current_step.get()
    if context is None:
        raise UsageError("get_step_context() is for code inside a running step")
    return context


def get_pipeline_context() -> PipelineContext:
    """Return the context of the running pipeline; raises UsageError outside one."""
    context = current_pipeline.get()
    if context is None:
        raise UsageError("get_pipeline_context() is for code inside a running pipeline")
    return context


def log_metadata(metadata: Mapping[str, Any]) -> None:
    """Attach JSON-like metadata to the running step, or in a pipeline body to the run."""
    target = current_step.get() or current_pipeline.get()
    if target is None:
        raise UsageError("log_metadata() is for code inside a running step or pipeline")
    target.metadata.update(plain(dict(metadata)))
