"""Two processes that write the same new row of MLflow's tables at once: MLflow lets one of them fail, we ask again.

What is asked again was not written at all: MLflow rolls the transaction back that failed, and a value that is there
already is not written twice.
"""

from __future__ import annotations

import inspect
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

# Of MLflow's stores: what inserts where it found nothing a moment before, and what waits for another's transaction.
WRITERS = (
    "log_metric", "set_tag", "delete_tag", "set_experiment_tag", "log_inputs", "log_outputs", "record_logged_model",
    "create_run", "update_run_info", "create_logged_model", "finalize_logged_model", "set_logged_model_tags",
    "log_logged_model_params",
)  # fmt: skip
_CODES = ("BAD_REQUEST", "INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE")
_WORDS = (
    "UNIQUE constraint failed", "violates unique constraint", "Duplicate entry", "database is locked",
    "database table is locked", "Deadlock found", "deadlock detected",
)  # fmt: skip
_TRIES = 12
_LONGEST = 1.0  # seconds between two tries


def is_race(error: BaseException) -> bool:
    """Say whether a call failed because another process wrote the same at the same time."""
    text = str(getattr(error, "message", error))
    return getattr(error, "error_code", None) in _CODES and any(words in text for words in _WORDS)


def pauses() -> Iterator[float | None]:
    """Yield for each try how long to wait in seconds when it loses a race, never alike; None for the last try."""
    pause = 0.01
    for _ in range(_TRIES - 1):
        yield pause * random.uniform(0.5, 1.5)  # noqa: S311 - no secret depends on it
        pause = min(2 * pause, _LONGEST)
    yield None


def again(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a method of a store, and call it again when it lost a race."""
    for pause in pauses():
        try:
            return original(*args, **kwargs)
        except Exception as error:
            if pause is None or not is_race(error):
                raise
            time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def diversions(store: Any) -> list[tuple[Any, Callable[..., Any]]]:
    """Return which methods of a store do what instead; one that a version of MLflow has not got, or wraps, is left alone."""
    found = [inspect.unwrap(getattr(store, name)) for name in WRITERS if name in vars(store)]
    return [
        (method, again) for method in found if inspect.isfunction(method) and not method.__code__.co_freevars
    ]
