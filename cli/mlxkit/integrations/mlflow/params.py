"""Params are immutable in MLflow; a value that another step, or an earlier attempt, already took gets a name of its own.

`lr` becomes `train.lr` for step `train`, and `train.attempt-2.lr` for its second attempt. A step that
contradicts itself within one attempt is refused as in plain MLflow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .active import step_of
from .backend import MAX_KEY

if TYPE_CHECKING:
    from .steps import StepTracking


def log_param(original: Callable[..., Any], store: Any, run_id: str, param: Any) -> Any:
    """Write one param, under another name when its own is taken."""
    step = step_of(run_id)
    if step is None:
        return original(store, run_id, param)
    try:
        result = original(store, run_id, param)
    except Exception as error:
        if not _is_conflict(error) or param.key in step.written:
            raise
        param = _renamed(param, step)
        result = original(store, run_id, param)
    step.written.add(param.key)
    return result


def log_batch(
    original: Callable[..., Any], store: Any, run_id: str, metrics: Any, params: Any, tags: Any
) -> Any:
    """Write a batch, its params under other names where theirs are taken."""
    step = step_of(run_id) if params else None
    if step is None:
        return original(store, run_id, metrics, params, tags)
    try:
        result = original(store, run_id, metrics, params, tags)
    except Exception as error:
        if not _is_conflict(error):
            raise
        there = store.get_run(run_id).data.params
        taken = {param.key for param in params if there.get(param.key, param.value) != param.value}
        if taken & step.written:
            raise
        params = [_renamed(param, step) if param.key in taken else param for param in params]
        result = original(store, run_id, metrics, params, tags)
    step.written.update(param.key for param in params)
    return result


def _is_conflict(error: Exception) -> bool:
    text = str(getattr(error, "message", error))
    return getattr(error, "error_code", None) == "INVALID_PARAMETER_VALUE" and (
        "Changing param values" in text or "already logged" in text
    )


def _renamed(param: Any, step: StepTracking) -> Any:
    return type(param)(f"{step.param_prefix}.{param.key}"[:MAX_KEY], param.value)
