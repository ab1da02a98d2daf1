"""The state of whatever a step reaches, as text: equal for equal state, in this process and the next.

Nothing is remembered from one walk to the next: an object may have changed in between.
"""

from __future__ import annotations

import marshal
import sys
from _thread import _local
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    CodeType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType

from ...artifacts import classes
from ...artifacts.digests import SECRET, SECRET_TYPE, format_digest
from ...artifacts.materializers.formats import format_of
from . import layout
from .parts import sha
from .sources import code_digest

if TYPE_CHECKING:
    from .reach import Reach

_BUDGET = 200_000
_BATCH = 20
_LARGEST_ARRAY = 1 << 30
_LONG = 200
ATOMS = frozenset({str, int, float, bool, type(None), bytes, complex})
_SLOTS = (
    GetSetDescriptorType, MemberDescriptorType, WrapperDescriptorType, MethodDescriptorType, ClassMethodDescriptorType
)  # fmt: skip
_HOLDERS = frozenset(
    ("builtins", "types", "collections", "argparse", "functools", "typing", "enum", "weakref", "_thread", "copyreg")
)  # fmt: skip
_HANDLES = (
    "threading", "_thread", "logging", "concurrent.futures", "asyncio", "multiprocessing.synchronize", "multiprocessing.context",
    "multiprocessing.pool", "rich.console", "rich.progress", "tqdm", "loguru", "structlog", "mlflow.tracking", "mlflow.client", "_abc",
)  # fmt: skip
_HANDLE_NAMES = frozenset({"builtins.object", "os._Environ"})
_DERIVED_HANDLES = (("logging", "Logger"), ("logging", "Handler"))


class TooMuchError(Exception):
    """Looking at all of a value would cost more than it saves."""


class State:
    """One walk over one value. `unknown` is what could not be looked into, `handles` what counts by its type."""

    def __init__(self, reach: Reach, module: str, name: str) -> None:
        self.unknown: list[Any] = []
        self.too_much: list[Any] = []
        self.handles: list[Any] = []
        self._reach = reach
        self._where = (module, name)
        self._left = _BUDGET
        self._path: dict[int, int] = {}
        self._done: dict[int, str] = {}
        self._kept: list[Any] = []
        self._names: dict[type, str] = {}
        self._in_package = 0

    def text(self, value: Any) -> str:
        """Return a value's state; raises TooMuchError and RecursionError."""
        kind = type(value)
        if kind in ATOMS:
            if kind is str:
                value = self._reach.parts.places.portable(value)
            return f"{kind.__name__} {_short(hex(value) if kind is int else repr(value))}"
        key = id(value)
        known = self._done.get(key)
        if known is not None:
            return known
        if key in self._path:
            return f"^{len(self._path) - self._path[key]}"
        self._spend(1)
        self._path[key] = len(self._path)
        try:
            found = _short(self._node(value, kind))
        finally:
            del self._path[key]
        self._done[key] = found
        self._kept.append(value)  # what is known by its id has to live as long
        return found

    def _node(self, value: Any, kind: type) -> str:
        if kind is list or kind is tuple:
            return f"{kind.__name__}({self._items(value)})"
        if kind is dict:
            return f"dict({self._items(value)};{self._items(value.values())})"
        if kind is set or kind is frozenset:
            return f"{kind.__name__}({','.join(sorted(map(self.text, value)))})"
        if classes.type_name(kind) == SECRET_TYPE:
            return SECRET
        if self._reach.is_code(value, kind):
            return f"name {self._reach.value(*self._where, value)}"
        if issubclass(kind, PurePath) and kind.__module__.startswith("pathlib"):
            return f"{self._class(kind)}({self.text(str(value))})"
        for kinds, view in _VIEWS:
            if issubclass(kind, kinds):
                return f"{self._class(kind)}({self.text(view(value))})"
        if _is_handle(value, kind):
            self.handles.append(value)
            return f"a {self._class(kind)}"
        return self._instance(value, kind)

    def _items(self, values: Iterable[Any]) -> str:
        values = list(values)
        kinds = set(map(type, values))
        if kinds <= ATOMS:
            if str in kinds:
                portable = self._reach.parts.places.portable
                values = [portable(item) if type(item) is str else item for item in values]
            self._spend(len(values) // _BATCH)
            return sha(marshal.dumps(values, 2))  # version 2 says the same whoever else refers to an item
        return ",".join(map(self.text, values))

    def _instance(self, value: Any, kind: type) -> str:
        is_package = self._reach.owner_of(kind) != "project" and classes.root_module(kind) not in _HOLDERS
        self._in_package += is_package
        try:
            return f"{self._class(kind)}({self._inside(value, kind)})"
        except (TooMuchError, RecursionError):
            raise
        except Exception:  # an object that refuses to be looked at must not stop a run
            if self._in_package <= is_package:
                self.unknown.append(value)  # inside an object of a package it is a handle of its own
            return f"a {self._class(kind)}"
        finally:
            self._in_package -= is_package

    def _inside(self, value: Any, kind: type) -> str:
        if classes.has_base(kind, "enum", "Enum"):
            return f"{value._name_}={self.text(value._value_)}"
        if classes.has_base(kind, "torch", "Tensor"):
            return self.text(layout.tensor_of(value, sys.modules))
        if _bytes_of(value) > _LARGEST_ARRAY:
            raise TooMuchError
        content = format_digest(value)
        if content is not None:
            return str(content)
        is_project = self._reach.owner_of(kind) == "project"
        own = layout.has_own_pickling(kind)
        if own and not is_project:
            return self.text(layout.reduced(value))
        held: dict[str, Any] = layout.attributes_of(value)
        held.update(layout.slots_of(value, self._is_of_project if own else bool))
        pieces = [f"{name}={self.text(held[name])}" for name in sorted(held)]
        pieces.append(self.text(layout.content_of(value)))
        if not layout.is_readable(kind):
            pieces.append(self.text(layout.reduced(value)))
        return ",".join(pieces)

    def _is_of_project(self, kind: type) -> bool:
        return self._reach.owner_of(kind) == "project"

    def _class(self, kind: type) -> str:
        found = self._names.get(kind)
        if found is None:
            found = self._names[kind] = self._reach.class_(kind)
        return found

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise TooMuchError


_VIEWS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (MethodType, lambda value: (value.__func__, value.__self__)),
    ((BuiltinFunctionType, MethodWrapperType), lambda value: (value.__name__, value.__self__)),
    ((staticmethod, classmethod), lambda value: value.__func__),
    (property, lambda value: (value.fget, value.fset, value.fdel)),
    (MappingProxyType, dict),
    ((type({}.keys()), type({}.values()), type({}.items())), list),
    (_local, lambda value: value.__dict__),
    (ContextVar, lambda value: (value.name, value.get(None))),
    (ReferenceType, lambda value: value()),
    (CodeType, code_digest),
    (_SLOTS, lambda value: value.__qualname__),
)


def _is_handle(value: Any, kind: type) -> bool:
    """Say whether an object is a lock, a logger, the terminal, or another that no result depends on."""
    if f"{kind.__module__}.{kind.__qualname__}" in _HANDLE_NAMES:
        return True
    if any(classes.has_base(kind, *base) for base in _DERIVED_HANDLES):
        return True
    if kind.__module__.startswith(_HANDLES):
        return any(kind.__module__ == name or kind.__module__.startswith(f"{name}.") for name in _HANDLES)
    streams = (sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__)
    return any(value is stream for stream in streams)


def _short(text: str) -> str:
    return text if len(text) <= _LONG else sha(text)


def _bytes_of(value: Any) -> int:
    if format_of(value) is None:
        return 0
    for name in ("nbytes", "memory_usage", "estimated_size"):
        found = getattr(value, name, None)
        if isinstance(found, int):
            return found
        if callable(found):
            counted = found()
            return int(counted.sum() if hasattr(counted, "sum") else counted)
    return 0
