"""The one way to execute a step: a description goes in, a record with artifact digests comes out."""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..artifacts.errors import ArtifactMissingError, ArtifactUnreadableError
from ..artifacts.io import save as save_artifact
from ..artifacts.trust import unmarked
from ..errors import MlxError, StepFailedError
from ..runs.ancestry import document, inputs_document
from ..runs.records import TRACKER_LINK, TRACKER_NAME, OutputRecord, StepRecord, output_of
from ..secrets.masking import mask_text
from ..stacks.protocols import StepFacts
from ..stacks.tags import INPUTS, LINEAGE
from .context import StepContext, current_step
from .hooks import call_hook
from .linked import NOTES
from .lookup import ask_cache, materializer_for
from .masked import HOLDS_SECRET, holds_secret, masked
from .models import NOTES_KEY
from .outputs import notes_of_outputs, split
from .parameters import annotations_of
from .services import RunServices, StepServices, StepSpec
from .sharing import publish_served, publish_shared
from .signals import Terminated
from .tracebacks import cause_of, summary_of, user_traceback, where

if TYPE_CHECKING:
    pass


def execute_step(spec: StepSpec, services: RunServices) -> StepRecord:
    """Serve a step from the cache or run it, store its outputs, and commit its record.

    A failure of user code is an outcome, not an exception; Ctrl-C and SIGTERM go through after being recorded.
    """
    blank, source = begun(spec, services)
    return serve(spec, services, blank, source) if source is not None else work_on(spec, services, blank)


def begun(
    spec: StepSpec, services: RunServices, *, trusts_store: bool = False
) -> tuple[StepRecord, StepRecord | None]:
    """Return the record that a step begins with, and the one that it can be served from.

    With `trusts_store` nobody asked yet whether the outputs are still in the store.
    """
    started = time.time()
    blank = StepRecord(
        id=spec.id, run_id=services.run.run_id, name=spec.name, position=spec.position, status="failed", started=started,
        ended=started, parameters=masked(spec.arguments.parameters), inputs={**spec.arguments.described(), **spec.after},
    )  # fmt: skip
    answer = ask_cache(spec, services, trusts_store=trusts_store)
    return replace(blank, cache_key=answer.key, parts=answer.parts, reason=answer.reason), answer.source


def serve(
    spec: StepSpec,
    services: RunServices,
    blank: StepRecord,
    source: StepRecord,
    *,
    is_published: bool = False,
) -> StepRecord:
    """Commit and return the record of a step whose outputs are there already; others are told of its source."""
    record = _served(spec, services, blank, source)
    services.log.keep(record)
    services.reporter.step_ended(spec.name, record.status, record.duration, record.reason)
    if not is_published:
        publish_served(services.store, source, services.run, record.reason, say=services.reporter.detail)
    return record


def work_on(spec: StepSpec, services: StepServices, blank: StepRecord) -> StepRecord:
    """Run a step, store its outputs, commit its record, and call its hooks."""
    services.reporter.step_started(spec.name)
    with services.output.of_step(spec.name, spec.position):
        record, error, context = _run(spec, services, blank)
    services.log.keep(record)  # before the hooks: whatever they do, the step is not lost
    services.reporter.step_ended(spec.name, record.status, record.duration)
    with services.output.of_step(spec.name, spec.position):
        hook = spec.on_success if error is None else spec.on_failure
        record = call_hook(hook, services, context, record, error)
    publish_shared(services.store, record, services.run, say=services.reporter.detail)
    return record


def _served(spec: StepSpec, services: StepServices, blank: StepRecord, source: StepRecord) -> StepRecord:
    metadata = dict(source.metadata)
    if services.run.model is not None and metadata.get(NOTES_KEY):
        services.run.metadata.setdefault(NOTES_KEY, {}).update(metadata[NOTES_KEY])
    if spec.tracker is not None and source.metadata.get(TRACKER_LINK):
        metadata.update(
            services.tracking(spec.tracker).cached(facts_of(spec, 1, services, blank), source.metadata)
        )
    return replace(
        blank,
        status="cached",
        ended=time.time(),
        cached_from=source.id,
        outputs=source.outputs,
        metadata=metadata,
        attempts=0,
    )


def _run(
    spec: StepSpec, services: StepServices, blank: StepRecord
) -> tuple[StepRecord, BaseException | None, StepContext]:
    """Try a step as often as it may be tried; returns its record, what it raised in the end, and its last context."""
    delay = spec.retries.delay
    context = StepContext(
        spec.name, spec.id, blank.attempts, spec.arguments.parameters, services.run, inputs=blank.inputs, metadata=_notes(spec),
        own_model=spec.model, output_names=tuple(output.name for output in spec.outputs),
    )  # fmt: skip
    try:
        while True:
            try:
                outputs = _attempt(spec, services, blank, context)
            except (KeyboardInterrupt, Terminated):
                raise
            except BaseException as error:  # `asyncio.CancelledError` and the like: the step's own matter
                if context.attempt > spec.retries.max_retries:
                    return _failed(spec, services, blank, context, error), error, context
                told = mask_text(f"{type(error).__name__}: {error}")
                services.reporter.step_retried(spec.name, context.attempt, told)
            else:
                if holds_secret(outputs):  # a later process, which may not know it, is not to tell others
                    context.metadata[HOLDS_SECRET] = True
                return _ended(blank, "completed", context, outputs=outputs), None, context
            time.sleep(delay)
            delay *= spec.retries.backoff
            context = replace(context, attempt=context.attempt + 1, metadata=_notes(spec), saved=[])
    except BaseException:  # Ctrl-C, SIGTERM: recorded, then on its way
        killed = _ended(blank, "killed", context, error="ended by a signal")
        services.log.keep(killed)
        services.reporter.step_ended(spec.name, "killed", killed.duration)
        raise


def _notes(spec: StepSpec) -> dict[str, Any]:
    """Return the metadata that a step begins with: what its annotations say of its outputs."""
    said = notes_of_outputs(spec.outputs)
    return {NOTES: said} if said else {}


def _ended(blank: StepRecord, status: str, context: StepContext, **fields: Any) -> StepRecord:
    metadata = masked(dict(context.metadata))
    return replace(
        blank, status=status, ended=time.time(), metadata=metadata, attempts=context.attempt, **fields
    )


def _attempt(
    spec: StepSpec, services: StepServices, blank: StepRecord, context: StepContext
) -> tuple[OutputRecord, ...]:
    """Run user code once with the tracker around it; storing the outputs is part of the attempt."""
    values = spec.arguments.load(services.store, annotations_of(spec.function))
    tracking = (
        services.tracking(spec.tracker).step(facts_of(spec, context.attempt, services, blank))
        if spec.tracker
        else nullcontext()
    )
    tracked: Any = None
    token = current_step.set(context)
    try:
        with tracking as tracked:
            try:
                returned = spec.function(**values)
            except (
                SystemExit
            ) as stop:  # inside the tracker's scope, which must not take exit status 0 for success
                raise StepFailedError(f"step {spec.name!r} called sys.exit({stop.code!r})") from None
            del values  # a step's inputs need not stay in memory while its outputs are written
            return (*_store(spec, services, returned), *context.saved)
    finally:
        current_step.reset(token)
        links = tracked.metadata() if tracked is not None else {}
        if links:
            context.metadata.update({**links, TRACKER_NAME: spec.tracker})


def _store(spec: StepSpec, services: StepServices, returned: Any) -> tuple[OutputRecord, ...]:
    stored = []
    for output, value in zip(spec.outputs, split(spec.name, spec.outputs, returned), strict=True):
        try:
            artifact = save_artifact(
                value,
                declared=output.type,
                materializer=materializer_for(spec.materializers, output.name),
                store=services.store,
            )
        except MlxError as error:
            raise type(error)(
                f"step {spec.name!r}, output {output.name!r}: {error.message}", hint=error.hint
            ) from error
        stored.append(output_of(output.name, artifact))
    return tuple(stored)


def _failed(
    spec: StepSpec, services: StepServices, blank: StepRecord, context: StepContext, error: BaseException
) -> StepRecord:
    text = mask_text(
        error.message
        if isinstance(error, MlxError) and not isinstance(error, ArtifactMissingError)
        else user_traceback(error)
    )
    if isinstance(error, ArtifactMissingError | ArtifactUnreadableError):
        is_gone = isinstance(error, ArtifactMissingError)
        way_out = error.hint or ("to make it again, run with `--no-cache`" if is_gone else "")
        text += f" ({way_out})" * bool(way_out)
    given = ", ".join(
        [f"{k}={v!r}" for k, v in spec.arguments.parameters.items()]
        + [f"{k} from {_source(v)}" for k, v in blank.inputs.items()]
    )
    detail = f"{text}\n  in step {spec.name!r}" + (
        mask_text(f", called with {given[:1000]}") if given else ""
    )
    services.output.note(text)
    services.reporter.detail(detail)
    services.reporter.failed_at(f"step {spec.name}", summary_of(text), where(cause_of(error)))
    return _ended(blank, "failed", context, error=text)


def _source(described: Any) -> str:
    if isinstance(described, dict) and "from" in described:
        shape = unmarked(described.get("summary") or {})
        return str(described["from"]) + (
            f" ({', '.join(f'{k} {v}' for k, v in shape.items())})" if shape else ""
        )
    return "several steps"


def facts_of(spec: StepSpec, attempt: int, services: StepServices, blank: StepRecord) -> StepFacts:
    """Return what a tracker is told of one attempt at a step."""

    def origin() -> dict[str, str]:
        steps = [*services.log.earlier(blank), blank]
        return {INPUTS: inputs_document(blank), LINEAGE: document(steps, blank.name)}

    return StepFacts(
        name=spec.name, step_run_id=spec.id, attempt=attempt, tracked=spec.is_tracked, settings=spec.settings, origin=origin,
        touches="package mlflow" in blank.parts,
    )  # fmt: skip
