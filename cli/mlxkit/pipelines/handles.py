"""Handles: what a step call returns in a pipeline body; passed on they make an edge, used they are the value."""

from __future__ import annotations

import copy
import math
import operator
import os
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ..runs.records import OutputRecord


class Source(Protocol):
    """Where a handle gets its value and its artifact from: one step of the running pipeline."""

    name: str

    @property
    def is_settled(self) -> bool: ...

    def load(self, output: str) -> Any: ...

    def record(self, output: str) -> OutputRecord: ...


class Handle:
    """One output of a step call.

    Passing it to another step makes an edge and moves no data. Everything that needs the value (`str`, f-strings,
    comparisons, arithmetic, truth, iteration, indexing, calling, attributes, `load()`) waits for the step and uses it.
    """

    __slots__ = ("_mlx_output", "_mlx_source")

    def __init__(self, source: Source, output: str) -> None:
        object.__setattr__(self, "_mlx_source", source)
        object.__setattr__(self, "_mlx_output", output)

    def load(self) -> Any:
        """Wait for the step and return a fresh copy of its output; raises StepFailedError when it has none."""
        return self._mlx_source.load(self._mlx_output)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return getattr(self.load(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a step's output cannot be changed in the pipeline body; change it in a step")

    def __reduce__(self) -> Any:
        raise TypeError("a handle cannot be pickled; pass it to a step, or use .load()")

    def __repr__(self) -> str:
        return repr(self.load())

    def __str__(self) -> str:
        return str(self.load())

    def __format__(self, spec: str) -> str:
        return format(self.load(), spec)

    def __bool__(self) -> bool:
        return bool(self.load())

    def __hash__(self) -> int:
        return hash(self.load())

    def __iter__(self) -> Iterator[Any]:
        return iter(self.load())

    def __len__(self) -> int:
        return len(self.load())

    def __contains__(self, item: Any) -> bool:
        return item in self.load()

    def __getitem__(self, key: Any) -> Any:
        return self.load()[key]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.load()(*args, **kwargs)

    def __int__(self) -> int:
        return int(self.load())

    def __float__(self) -> float:
        return float(self.load())

    def __index__(self) -> int:
        return operator.index(self.load())

    def __fspath__(self) -> str:
        return str(os.fspath(self.load()))

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.load(), digits) if digits is not None else round(self.load())

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        """Give NumPy the value (its array protocol)."""
        import numpy

        return numpy.asarray(self.load(), dtype=dtype)


def value_of(item: Any) -> Any:
    """Return the value behind a handle, and anything else as it is."""
    return item.load() if isinstance(item, Handle) else item


def _binary(function: Callable[[Any, Any], Any], *, swapped: bool = False) -> Callable[[Handle, Any], Any]:
    def apply(self: Handle, other: Any) -> Any:
        left, right = self.load(), value_of(other)
        return function(right, left) if swapped else function(left, right)

    return apply


def _unary(function: Callable[[Any], Any]) -> Callable[[Handle], Any]:
    return lambda self: function(self.load())


for _name in ("lt", "le", "eq", "ne", "gt", "ge"):
    setattr(Handle, f"__{_name}__", _binary(getattr(operator, _name)))
for _name in (
    "add",
    "sub",
    "mul",
    "matmul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and_",
    "or_",
    "xor",
    "lshift",
    "rshift",
    "divmod",
):
    _bare = _name.rstrip("_")
    _operation = divmod if _name == "divmod" else getattr(operator, _name)
    setattr(Handle, f"__{_bare}__", _binary(_operation))
    setattr(Handle, f"__r{_bare}__", _binary(_operation, swapped=True))
for _name, _function in (
    ("neg", operator.neg),
    ("pos", operator.pos),
    ("abs", abs),
    ("invert", operator.invert),
    ("floor", math.floor),
    ("ceil", math.ceil),
    ("trunc", math.trunc),
    ("copy", copy.copy),
):
    setattr(Handle, f"__{_name}__", _unary(_function))
