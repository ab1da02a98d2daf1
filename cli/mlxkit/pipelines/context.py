"""What code inside a step or a pipeline body can ask about where it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import field
from typing import TYPE_CHECKING, Any, ClassVar

from ..dataclass import dataclass
from ..errors import UsageError, did_you_mean
from ..records import plain
from ..runs.members import Members

if TYPE_CHECKING:
    from ..runs.records import OutputRecord
    from .models import Model


@dataclass
class PipelineContext(Members):
    """The running pipeline: names, ids, parameters."""

    name: str
    run_id: str
    run_name: str
    stack: str
    parameters: Mapping[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)
    model: Model | None = None
    session: Any = field(default=None, repr=False)

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
class StepContext(Members):
    """The running step: names, ids, the attempt (from 1) and what it was given, artifacts by source and digest."""

    instead: ClassVar[dict[str, str]] = {
        "get_output_artifact_uri": "return the value, or save_artifact(VALUE, NAME).uri",
        "get_output_materializer": "@step(output_materializers=...)",
        "set_output_metadata": ".add_output_metadata(METADATA)",
        "stack": "Client().active_stack",
    }

    name: str
    step_run_id: str
    attempt: int
    parameters: Mapping[str, Any]
    run: PipelineContext
    inputs: Mapping[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    own_model: Model | None = None
    output_names: tuple[str, ...] = ()
    saved: list[OutputRecord] = field(default_factory=list)

    @property
    def model(self) -> Model:
        """The model that the step, or else its pipeline, is about; raises UsageError when there is none."""
        found = self.own_model or self.run.model
        if found is None:
            raise UsageError(f"step {self.name!r} is about no model", hint="@pipeline(model=Model(name=...))")
        return found

    @property
    def pipeline_name(self) -> str:
        """The pipeline's name."""
        return self.run.name

    @property
    def run_name(self) -> str:
        """The run's name."""
        return self.run.run_name

    def add_output_metadata(self, metadata: Mapping[str, Any], output_name: str | None = None) -> None:
        """Attach JSON-like metadata to an output of this step; without `output_name` to the only one."""
        self._notes(output_name).setdefault("metadata", {}).update(plain(dict(metadata)))

    def add_output_tags(self, tags: Sequence[str], output_name: str | None = None) -> None:
        """Attach tags to an output of this step; without `output_name` to the only one."""
        notes = self._notes(output_name)
        notes["tags"] = list(dict.fromkeys([*notes.get("tags", ()), *tags]))

    def _notes(self, output_name: str | None) -> dict[str, Any]:
        names = [*self.output_names, *(item.name for item in self.saved)]
        if output_name is None and len(self.output_names) == 1:
            output_name = self.output_names[0]
        if output_name not in names:
            what = (
                f"no output {output_name!r}{did_you_mean(output_name, names)}"
                if output_name
                else "several outputs"
            )
            raise UsageError(f"step {self.name!r} has {what}; its outputs: {', '.join(names)}")
        found: dict[str, Any] = self.metadata.setdefault("artifacts", {}).setdefault(output_name, {})
        return found

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


def log_metadata(
    metadata: Mapping[str, Any],
    *,
    artifact_name: str | None = None,
    infer_artifact: bool = False,
    model_name: str | None = None,
    model_version: str | int | None = None,
    infer_model: bool = False,
) -> None:
    """Attach JSON-like metadata to the running step, or in a pipeline body to the run.

    `artifact_name` (or `infer_artifact`, for a step with one output) attaches it to an output of the step instead, and
    `model_name` (or `infer_model`) to the model of the run. What is over keeps the metadata that it has.
    """
    step, run = current_step.get(), current_pipeline.get()
    if step is None and run is None:
        raise UsageError("log_metadata() is for code inside a running step or pipeline")
    if artifact_name is not None or infer_artifact:
        if step is None:
            raise UsageError("metadata of an artifact is logged inside the step that makes it")
        step.add_output_metadata(metadata, artifact_name)
    elif model_name is not None or infer_model:
        _log_to_model(metadata, step.run if step else run, step, model_name, model_version)
    else:
        (step or run).metadata.update(plain(dict(metadata)))  # type: ignore[union-attr]


def _log_to_model(
    metadata: Mapping[str, Any],
    run: Any,
    step: StepContext | None,
    name: str | None,
    version: str | int | None,
) -> None:
    """Keep metadata of the model with the run that is about it."""
    from .models import NOTES_KEY

    mine = (step.own_model if step else None) or run.model
    differs = version is not None and mine is not None and str(version) != str(mine.version)
    if mine is None or (name is not None and name != mine.name) or differs:
        asked = f"{name}" + (f" {version}" if version is not None else "") if name else "a model"
        raise UsageError(
            f"this run is about {f'model {mine.name!r}' if mine else 'no model'}, not {asked}: metadata of a model is "
            "logged in a run of it",
            hint=f"@pipeline(model=Model(name={name!r}))" if name else "@pipeline(model=Model(name=...))",
        )
    for target in (run, step):  # with the step, too: the cache gives it back to the runs that it serves
        if target is not None:
            target.metadata.setdefault(NOTES_KEY, {}).update(plain(dict(metadata)))
