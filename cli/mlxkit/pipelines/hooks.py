"""The functions of the user that are called after a step: in its context, and with no say in how it ended."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..runs.records import StepRecord
from ..secrets.masking import mask_text
from .context import StepContext, current_step
from .tracebacks import user_traceback

if TYPE_CHECKING:
    from .services import StepServices


def call_hook(
    hook: Callable[..., Any] | None,
    services: StepServices,
    context: StepContext,
    record: StepRecord,
    *arguments: Any,
) -> StepRecord:
    """Call a hook with as many arguments as it takes, and return the step's record with what the hook added to it.

    The record is in history already: whatever a hook does, the step is not lost. What it raises is told and changes nothing.
    """
    if hook is None:
        return record
    before, saved = copy.deepcopy(context.metadata), list(context.saved)
    token = current_step.set(context)
    try:
        takes = len(inspect.signature(hook).parameters)
        hook(*arguments[:takes])
    except (Exception, SystemExit) as error:
        services.reporter.detail(
            mask_text(f"hook {getattr(hook, '__name__', hook)!r} failed: {user_traceback(error)}")
        )
    finally:
        current_step.reset(token)
    fresh = {item.name: item for item in context.saved if not any(item is old for old in saved)}
    if context.metadata == before and not fresh:
        return record
    outputs = (*(item for item in record.outputs if item.name not in fresh), *fresh.values())
    record = replace(record, metadata=dict(context.metadata), outputs=outputs)
    services.log.complete(record)
    return record
