"""Divert a function in place, under every name it is bound to, and undo that without a trace.

Replacing `mlflow.start_run` as an attribute would miss `from mlflow import start_run`, in user code and in
MLflow's own modules. Replacing what the function object executes misses nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any


def _detour(*args: Any, _mlx_instead: Callable[..., Any], **kwargs: Any) -> Any:
    return _mlx_instead(*args, **kwargs)


class Diversion:
    """Make calls of `function` arrive at `instead(original, *args, **kwargs)` until `undo()`."""

    def __init__(self, function: Any, instead: Callable[..., Any]) -> None:
        if not isinstance(function, FunctionType) or function.__code__.co_freevars:
            raise TypeError(f"{function!r} is not a plain function")
        self._function = function
        self._code, self._defaults = function.__code__, function.__kwdefaults__
        original = FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__
        )
        original.__kwdefaults__ = function.__kwdefaults__
        original.__doc__ = function.__doc__

        def arrive(*args: Any, **kwargs: Any) -> Any:
            return instead(original, *args, **kwargs)

        # First the default, then the code: a thread that calls meanwhile finds one or the other whole.
        function.__kwdefaults__ = {**(self._defaults or {}), "_mlx_instead": arrive}
        function.__code__ = _detour.__code__

    def undo(self) -> None:
        """Make the function what it was."""
        self._function.__code__ = self._code
        self._function.__kwdefaults__ = self._defaults
