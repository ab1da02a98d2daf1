"""Ready-made steps for models, under the names that ZenML's users know."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from ..dataclass import dataclass
from ..errors import UsageError
from ..pipelines.context import StepContext, get_step_context
from ..pipelines.decorators import step
from ..pipelines.session import Session, current_session
from ..runs.history import History
from ..runs.queries import RunQueries
from ..runs.records import StepRecord
from ..stacks.registries import open_registry
from ..stacks.service import StackService
from . import known, tags
from .registration import Registration, register, register_lock, register_uri


@dataclass(frozen=True)
class RegisteredVersion:
    """A model version as a step returns it: enough to deploy it, promote it, or look it up.

    `tracker` names the tracker whose registry it is in, when that is not the stack's.
    """

    name: str
    version: int
    version_tag: str = ""
    source: str = ""
    run_id: str = ""
    tracker: str = ""

    @property
    def reference(self) -> str:
        """The version as commands take it."""
        return f"{self.name}:{self.version}"


@step(enable_cache=False, experiment_tracker=False)
def mlflow_register_model_step(
    model: Any = None,  # noqa: ARG001  where it comes from is what counts
    name: str | None = None,
    version: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    trained_model_name: str | None = None,
    model_source_uri: str | None = None,
    run_id: str | None = None,
) -> Annotated[RegisteredVersion, "model_version"]:
    """Register the model that a step of this run logged to MLflow; `model` is that step's output.

    `version` is the version's own label ("1.0.0"), kept as a tag: `mlx model describe NAME:1.0.0` finds it.
    Without `model` it is the model of the run, or of `run_id`, or what lies at `model_source_uri`. A model that is
    registered already is not registered twice. Raises NotFoundError when no model was logged.
    """
    if not name:
        raise UsageError("mlflow_register_model_step needs the name of the model", hint='name="my-model"')
    context = get_step_context()
    session = current_session() or Session()
    is_called_in_a_step = "trained_model_name" not in context.parameters
    queries = (
        _WithTheRunningStep(session.history, context) if is_called_in_a_step else RunQueries(session.history)
    )
    producer = None if is_called_in_a_step else _producer(context)
    tracker = _tracker(queries, context, producer) or session.forced_tracker
    registry = open_registry(session.project, context.run.stack, tracker=tracker, waiting=_tell)
    common: dict[str, Any] = {
        "version_tag": version, "description": description, "tags": metadata,
        "lock": register_lock(session.state_dir),
    }  # fmt: skip
    if model_source_uri:
        made = register_uri(registry, queries, name, model_source_uri, run_id=run_id, **common)
    elif run_id:
        made = register(registry, queries, name, run_id, path=trained_model_name, **common)
    else:
        made = register(
            registry, queries, name, context.run.run_id, step=producer, path=trained_model_name, **common
        )
    known.seen(session.state_dir, [made.version])
    stack, _ = StackService(session.project).active(context.run.stack)
    return _told(made, context, tracker if tracker != stack.components.get("experiment_tracker") else None)


class _WithTheRunningStep(RunQueries):
    """History with the step that runs now, which is written down when it is over and may have logged a model already."""

    def __init__(self, history: History, context: StepContext) -> None:
        super().__init__(history)
        self._context = context

    def steps(self, run_id: str) -> Sequence[StepRecord]:
        found = list(super().steps(run_id))
        if run_id == self._context.run.run_id:
            found.append(
                StepRecord(
                    id=self._context.step_run_id, run_id=run_id, name=self._context.name, position=len(found),
                    status="running", started=time.time(), ended=time.time(), parameters=self._context.parameters,
                    inputs=self._context.inputs,
                )
            )  # fmt: skip
        return found


def _told(made: Registration, context: StepContext, tracker: str | None) -> RegisteredVersion:
    """Say what was registered in the step's output and in its metadata."""
    version = made.version
    label = version.tags.get(tags.VERSION_TAG, "")
    for note in made.notes:
        _tell(note)
    _tell(
        f"{'registered' if made.is_new else 'already registered:'} {version.reference}"
        f"{f' ({label})' if label else ''}{f' on tracker {tracker!r}' if tracker else ''}"
    )
    context.metadata.update(model=version.name, model_version=version.version, version_tag=label)
    return RegisteredVersion(
        version.name, version.version, label, version.source, version.run_id, tracker or ""
    )


def _producer(context: StepContext) -> str | None:
    """Return the step of this run whose output was passed as the model."""
    given = context.inputs.get("model")
    return (given.get("step") or None) if isinstance(given, Mapping) else None


def _tracker(queries: RunQueries, context: StepContext, producer: str | None) -> str | None:
    """Return the tracker that this run uses for the step that logged the model, which may not be the stack's."""
    if producer is None:
        return None
    made = queries.step(context.run.run_id, producer)
    if made.status == "cached" and not made.metadata.get("mlflow_source_run_id"):
        return None  # it has none in this run: what is remembered is another run's
    found = made.metadata.get("experiment_tracker")
    return str(found) if found else None


def _tell(text: str) -> None:
    print(text)  # noqa: T201  inside a step: it belongs to the step's log
