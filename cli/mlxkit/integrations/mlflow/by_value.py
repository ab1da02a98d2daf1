"""A logged model holds the classes of the file that was run, whichever way it was run.

`mlx run FILE` executes the file as `__main__`, whose classes cloudpickle stores by value; `mlx run FILE:NAME` imports
it, and a model would hold no more than the name of a module that is not there where it is served.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ...stacks.protocols import RUN_FILE


def diversions() -> list[tuple[Any, Callable[..., Any]]]:
    """Return the method that every flavor's `log_model` goes through, and what happens instead."""
    from mlflow.models import Model

    return [(inspect.unwrap(Model.log.__func__), log)]


def log(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Log a model with the run's own file stored by value."""
    with _by_value():
        return original(*args, **kwargs)


@contextmanager
def _by_value() -> Iterator[None]:
    import cloudpickle

    known = cloudpickle.list_registry_pickle_by_value()
    modules = [
        module
        for name, module in list(sys.modules.items())
        if getattr(module, "__dict__", {}).get(RUN_FILE) and name != "__main__" and name not in known
    ]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
