"""Params are immutable in MLflow; a value that another step, or an earlier attempt, already took gets a name of its own.

`lr` becomes `train.lr` for step `train`, and `train.attempt-2.lr` for its second attempt. A step that
contradicts itself within one attempt is refused as in plain MLflow.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .active import step_of
from .backend import MAX_KEY
from .races import again, is_race, pauses

if TYPE_CHECKING:
    from .steps import StepTracking


def log_param(original: Callable[..., Any], store: Any, run_id: str, param: Any) -> Any:
    """Write one param, under another name when its own is taken."""
    step = step_of(run_id)
    if step is None:
        return again(original, store, run_id, param)
    taken = 0
    for pause in pauses():
        named = _named(param, step, taken)
        try:
            result = original(store, run_id, named)
        except Exception as error:
            is_lost = is_race(error)
            may_rename = _is_conflict(error) and named.key not in step.written
            if pause is None or not (is_lost or may_rename):
                raise
            if is_lost:
                time.sleep(pause)
            else:
                taken += 1
        else:
            step.written.add(named.key)
            return result
    raise AssertionError("the last try returns or raises")


def log_batch(
    original: Callable[..., Any], store: Any, run_id: str, metrics: Any, params: Any, tags: Any
) -> Any:
    """Write a batch, its params under other names where theirs are taken; another process may take one meanwhile."""
    step = step_of(run_id) if params else None
    if step is None:
        return again(original, store, run_id, metrics, params, tags)
    taken = [0] * len(params)
    for pause in pauses():
        named = [_named(param, step, count) for param, count in zip(params, taken, strict=True)]
        try:
            result = original(store, run_id, metrics, named, tags)
        except Exception as error:
            is_lost = is_race(error)
            if pause is None or not (is_lost or _is_conflict(error)):
                raise
            if is_lost:
                time.sleep(pause)
            there = store.get_run(run_id).data.params
            refused = [there.get(param.key, param.value) != param.value for param in named]
            if any(no and param.key in step.written for no, param in zip(refused, named, strict=True)):
                raise
            if not is_lost and not any(refused):
                raise
            taken = [count + no for count, no in zip(taken, refused, strict=True)]
        else:
            step.written.update(param.key for param in named)
            return result
    raise AssertionError("the last try returns or raises")


def _is_conflict(error: Exception) -> bool:
    text = str(getattr(error, "message", error))
    return getattr(error, "error_code", None) == "INVALID_PARAMETER_VALUE" and (
        "Changing param values" in text or "already logged" in text
    )


def _named(param: Any, step: StepTracking, taken: int) -> Any:
    """Return a param under the next of its names; the third is needed after an attempt whose process died."""
    if not taken:
        return param
    owner = step.param_prefix if taken == 1 else f"{step.param_prefix}.again-{taken}"
    return type(param)(f"{owner}.{param.key}"[:MAX_KEY], param.value)
