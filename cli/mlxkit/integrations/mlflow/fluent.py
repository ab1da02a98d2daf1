"""MLflow's fluent calls inside a step: they find the step's run under whatever runs user code started.

MLflow's stack of active runs holds what user code starts, as ever. Below it lies the step's run, which user
code neither starts nor ends: it is not on the stack, so that neither a `with` block, nor `end_run()`, nor
MLflow at the end of the process can set its status.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .active import current_step
from .backend import mlflow_status, status_of
from .inject import injection

if TYPE_CHECKING:
    from .steps import StepTracking


def diversions(fluent: Any) -> list[tuple[Any, Callable[..., Any]]]:
    """Return which functions of `mlflow.tracking.fluent` do what instead."""
    return [
        (fluent.start_run, start_run),
        (fluent.end_run, end_run),
        (fluent.active_run, active_run),
        (fluent._get_or_start_run, get_or_start_run),
        (fluent._get_latest_active_run, latest_active_run),
        (fluent.set_experiment, set_experiment),
    ]


def active_run(original: Callable[[], Any]) -> Any:
    """Give the run that user code started last, else the step's."""
    run = original()
    if run is None:
        step = _step()
        run = step.active_run() if step is not None else None
    return run


def get_or_start_run(original: Callable[[], Any]) -> Any:
    """Give the run that `mlflow.log_*` writes to."""
    return active_run(_stack_top) or original()


def latest_active_run(original: Callable[[], Any]) -> Any:
    """Give the run that traces are linked to."""
    return original() or active_run(_stack_top)


def start_run(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Join the step's run the first time, and start a run of its own for what asks for one."""
    step = _step()
    if step is None:
        with _without_our_run():
            return original(*args, **kwargs)
    asked = inspect.signature(original).bind(*args, **kwargs).arguments
    if _stack_top() is None and step.claims(asked):
        return step.join(asked)
    return _start_another(original, step, asked)


def end_run(original: Callable[..., Any], status: str = "FINISHED") -> None:
    """End a run that user code started as it ended: a `with` block of MLflow's calls Ctrl-C and sys.exit(0) a failure."""
    passing = sys.exc_info()[1]
    if (
        status == "FAILED"
        and passing is not None
        and not isinstance(passing, Exception)
        and _step() is not None
    ):
        status = mlflow_status(status_of(passing))
    original(status)


def set_experiment(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Do as asked, and remember that user code chose."""
    experiment = original(*args, **kwargs)
    step = _step()
    if step is not None:
        step.chosen_experiment = str(experiment.experiment_id)
        os.environ.pop("MLFLOW_EXPERIMENT_NAME", None)
    return experiment


def end_leftovers(started: list[str]) -> list[str]:
    """Take the runs that user code started and never ended off the stacks of all threads; returns their ids."""
    from mlflow.tracking import fluent

    left: list[str] = []
    for stack in fluent._active_run_stack.get_all_thread_values().values():
        for run in [run for run in stack if run.info.run_id in started]:
            stack.remove(run)
            left.append(run.info.run_id)
            monitor = fluent.run_id_to_system_metrics_monitor.pop(run.info.run_id, None)
            if monitor is not None:
                monitor.finish()
    return left


def flush_async_logging() -> None:
    """Wait for what user code logs in the background: metrics, images and traces.

    Later it would go nowhere: MLflow points elsewhere then, and a worker ends without any exit handler.
    """
    if injection.library is None or not injection.library.is_ours:
        return
    import mlflow
    from mlflow.tracking._tracking_service import utils

    if injection.library.has_store:
        mlflow.flush_async_logging()
    for repository in list(utils._artifact_repos_cache.values()):
        if hasattr(repository, "_async_logging_queue"):
            repository.flush_async_logging()
    _send_traces()


def hide_outer_runs() -> list[Any]:
    """Take the runs that were started outside of the step off this thread's stack, and return them."""
    from mlflow.tracking import fluent

    stack: list[Any] = fluent._active_run_stack.get()
    hidden = stack[:]
    stack.clear()
    return hidden


def show_outer_runs(hidden: list[Any]) -> None:
    """Put the runs back that `hide_outer_runs` took."""
    from mlflow.tracking import fluent

    fluent._active_run_stack.get()[:] = hidden


def _send_traces() -> None:
    """Wait for traces; not as MLflow itself does, which takes two seconds to stop threads and start them again."""
    provider: Any = sys.modules.get("mlflow.tracing.provider")
    processor = provider._get_span_processor() if provider is not None else None
    if processor is None:
        return
    processor.force_flush()
    queue = getattr(getattr(processor, "span_exporter", None), "_async_queue", None)
    if queue is not None and queue.is_active() and queue._consumer_thread.is_alive():
        queue._queue.join()


def _step() -> StepTracking | None:
    """Return the step of this thread, unless user code pointed MLflow elsewhere."""
    step = current_step()
    library = injection.library
    return step if step is not None and library is not None and library.is_ours else None


def _stack_top() -> Any:
    from mlflow.tracking import fluent

    stack = fluent._active_run_stack.get()
    return stack[-1] if stack else None


def _start_another(original: Callable[..., Any], step: StepTracking, asked: dict[str, Any]) -> Any:
    is_new = not asked.get("run_id")
    if is_new:
        asked["tags"] = {**step.own_tags(), **(asked.get("tags") or {})}
        if _stack_top() is None and not asked.get("parent_run_id"):
            asked["parent_run_id"] = step.parent_for(asked)
    with _without_our_run():
        run = original(**asked)
    step.note_started(run.info.run_id, str(run.info.experiment_id) if is_new else "")
    return run


@contextmanager
def _without_our_run() -> Iterator[None]:
    """Hide the variable that makes child processes join the step's run: here MLflow would resume that run."""
    ours = os.environ.pop("MLFLOW_RUN_ID", None) if injection.connection is not None else None
    try:
        yield
    finally:
        if ours is not None:
            os.environ["MLFLOW_RUN_ID"] = ours
