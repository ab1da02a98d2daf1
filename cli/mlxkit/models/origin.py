"""Which logged model is meant by "the model of this run", and what is known about where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field

from ..dataclass import dataclass
from ..errors import NotFoundError, UsageError, did_you_mean
from ..runs.ancestry import document, inputs_document
from ..runs.queries import RunQueries
from ..runs.records import RunRecord, StepRecord
from ..stacks.registries import LoggedModel, ModelRegistry, TrackedRun
from . import tags

_USUAL = "model"
_MOST_RUNS = 120  # of 36 characters each: a tag had room for 5,000 before it had more
_ENDS = {
    "failed": "failed",
    "killed": "was killed",
    "interrupted": "was interrupted",
}  # by our word and by MLflow's


@dataclass(frozen=True)
class Origin:
    """One logged model with the tags that a version made from it carries."""

    model: LoggedModel
    tags: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def find_origin(
    registry: ModelRegistry,
    queries: RunQueries,
    run: str,
    *,
    step: str | None = None,
    path: str | None = None,
) -> Origin:
    """Find the model that a run logged, also where its step was served from the cache.

    `run` is our id, a name, `latest`, or the tracker's id. Raises NotFoundError for a run without a model, and
    UsageError when it has several and neither step nor path says which.
    """
    try:
        ours = queries.get(run)
    except NotFoundError as error:
        return _from_tracker(registry, run, step, path, error)
    return _from_history(registry, queries, ours, run, step, path)


def _from_history(
    registry: ModelRegistry,
    queries: RunQueries,
    run: RunRecord,
    asked: str,
    step: str | None,
    path: str | None,
) -> Origin:
    steps = list(queries.steps(run.id))
    chosen = [queries.step(run.id, step)] if step else steps
    logged_to = {item.id: _mlflow_run(item) for item in chosen}
    ids = [found for found in dict.fromkeys(logged_to.values()) if found]
    if not step:
        ids = list(dict.fromkeys([*ids, *queries.tracker_runs(run.id)]))
    if asked in ids:  # the tracker's own id was given: that run of it, and no other
        ids = [asked]
    if not ids:
        raise _without_model(run.name, step, "it was not tracked")
    made_by = {item.cached_from or item.id: item for item in chosen}
    of_run = list(dict.fromkeys([*ids, *queries.tracker_runs(run.id)]))
    logged = registry.logged_models(of_run)
    models = [
        model
        for model in logged
        if model.run_id in ids and (model.tags.get(tags.STEP_RUN_ID) or next(iter(made_by), "")) in made_by
    ]
    if not models:
        raise _without_model(run.name, step, *_why_none(registry, queries, ids))
    model = _choose(models, run.name, step, path)
    producer = made_by.get(model.tags.get(tags.STEP_RUN_ID, ""))
    if producer is None and len(logged_to) == 1:
        producer = chosen[0]
    return Origin(
        model,
        {**_ours(model.tags), **_described(run, steps, producer), **_runs_that_count(model, logged, of_run)},
        _notes(run.name, run.status),
    )


def _mlflow_run(step: StepRecord) -> str:
    """Return the tracker's run that a step logged to when it ran; a cached one logged to that of its origin."""
    return str(step.metadata.get("mlflow_source_run_id") or step.metadata.get("mlflow_run_id") or "")


def _described(run: RunRecord, steps: Sequence[StepRecord], producer: StepRecord | None) -> dict[str, str]:
    found = {
        tags.RUN_ID: run.id, tags.RUN_NAME: run.name, tags.PIPELINE: run.pipeline, tags.STACK: run.stack,
        tags.COMMIT: str(run.code.get("commit") or ""), tags.CODE_DIGEST: str(run.code.get("digest") or ""),
    }  # fmt: skip
    if producer is not None:
        found |= {
            tags.STEP: producer.name, tags.STEP_RUN_ID: producer.id,
            tags.INPUTS: inputs_document(producer), tags.LINEAGE: document(steps, producer.name),
        }  # fmt: skip
    return {key: value for key, value in found.items() if value}


def _runs_that_count(
    model: LoggedModel, logged: Sequence[LoggedModel], runs: Sequence[str]
) -> dict[str, str]:
    """Say which of the tracker's runs speak for the model: that it was trained in, then those without another model."""
    of_others = {item.run_id for item in logged if item.uri != model.uri}
    counted = dict.fromkeys([model.run_id, *(run for run in runs if run not in of_others)])
    return {tags.MLFLOW_RUNS: json.dumps([run for run in counted if run][:_MOST_RUNS])}


def _notes(run: str, status: str) -> tuple[str, ...]:
    """Say of a run that it did not get to its end; it may have been going on when it was asked."""
    told = _ENDS.get(status.lower())
    return (f"run {run} {told}",) if told else ()


def _why_none(registry: ModelRegistry, queries: RunQueries, runs: Sequence[str]) -> tuple[str, str | None]:
    """Return why no model of these runs is there, and what to type then: another tracker may have it."""
    logged_to = queries.trackers_of(runs)
    elsewhere = [name for name in logged_to if name != registry.tracker]
    if elsewhere:
        return (
            f"it was logged to tracker {elsewhere[0]!r}, and this is the registry of tracker {registry.tracker!r}",
            f"--tracker {elsewhere[0]}",
        )
    if not registry.runs(runs):
        return (
            f"tracker {registry.tracker!r}, which it was logged to, does not know it any more, or it came from the cache "
            "of another machine with a tracker of its own",
            "mlx run FILE --no-cache",
        )
    return "it logged none", None


def _from_tracker(
    registry: ModelRegistry, run: str, step: str | None, path: str | None, unknown: NotFoundError
) -> Origin:
    """Find a run that another machine made, by the tracker's id or by ours."""
    try:
        runs = [registry.run(run)]
    except NotFoundError:
        runs = registry.runs_of(run)
    if not runs:
        raise NotFoundError(f"{unknown.message}, neither here nor on the tracker", hint=unknown.hint)
    models = logged = registry.logged_models([item.run_id for item in runs])
    if step:
        names = [model.tags.get(tags.STEP, "") for model in models]
        models = [model for model in models if model.tags.get(tags.STEP) == step]
        if not models:
            raise NotFoundError(f"step {step!r} of run {run} logged no model{did_you_mean(step, names)}")
    model = _choose(models, runs[0].name or run, step, path)
    source = next((item for item in runs if item.run_id == model.run_id), runs[0])
    counted = _runs_that_count(model, logged, [item.run_id for item in runs])
    return Origin(
        model,
        {**_of_run(source), **_ours(model.tags), **counted},
        _notes(source.name or source.run_id, source.status),
    )


def _of_run(run: TrackedRun) -> dict[str, str]:
    kept = (tags.RUN_ID, tags.RUN_NAME, tags.PIPELINE, tags.STACK, tags.COMMIT, tags.CODE_DIGEST)
    found = {key: run.tags[key] for key in kept if run.tags.get(key)}
    commit = run.tags.get("mlflow.source.git.commit")
    return {tags.COMMIT: commit, **found} if commit else found


def _ours(found: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in found.items() if key.startswith(tags.OURS)}


def _choose(models: Sequence[LoggedModel], run: str, step: str | None, path: str | None) -> LoggedModel:
    """Return the one model that is meant; of one step's models with one name, the last that it logged."""
    if not models:
        raise _without_model(run, step, "it logged none")
    names = list(dict.fromkeys(model.name for model in models))
    if path is not None:
        if path not in names:
            raise NotFoundError(
                f"run {run} logged no model {path!r}{did_you_mean(path, names)}; it has {', '.join(names)}"
            )
        models = [model for model in models if model.name == path]
    elif len(names) > 1 and _USUAL in names:
        models = [model for model in models if model.name == _USUAL]
    elif len(names) > 1:
        raise UsageError(
            f"run {run} logged {len(names)} models: {', '.join(names)}", hint=f"--path {names[0]}"
        )
    by_step = list(dict.fromkeys(model.tags.get(tags.STEP, "") for model in models))
    if len(by_step) > 1:
        raise UsageError(
            f"{len(by_step)} steps of run {run} logged a model {models[0].name!r}: {', '.join(by_step)}",
            hint=f"--step {by_step[0]}",
        )
    return models[-1]


def _without_model(run: str, step: str | None, why: str, hint: str | None = None) -> NotFoundError:
    where = f"step {step!r} of run {run}" if step else f"run {run}"
    return NotFoundError(
        f"{where} has no model to register: {why}",
        hint=hint or 'log it in a tracked step: mlflow.<flavor>.log_model(model, "model")',
    )
