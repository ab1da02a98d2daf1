"""The wire format, on the sending side: a step's code by value, so that a worker needs this package and nothing of the project.

What a step reaches in the project travels as it is at the moment of the call: its functions and classes, and the state
of its globals and modules, which is what its cache key speaks of. What is installed travels by name. We pickle, not the
engine: then every engine gives a worker the same, and takes nothing but bytes.
"""

from __future__ import annotations

import io
import sys
import threading
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import cloudpickle

from ..artifacts import classes
from ..artifacts.materializers.base import registered
from ..errors import MlxError, UsageError
from . import arrival
from .fingerprint.places import Places

_LOCK, _RLOCK, _LOCAL = type(threading.Lock()), type(threading.RLock()), threading.local
_CACHED: Any = type(lru_cache(len))
_NEVER = ("__builtins__", "__cached__", "__loader__", "__spec__")
_HINT = "make it inside the step, pass it as an input, or run without workers"


class Shipper:
    """Packs the code of steps; `root` is the folder of the project."""

    def __init__(self, root: Path, file: Path | None) -> None:
        self._places = Places(root, *([file.resolve().parent] if file else []))
        self._counted = 0
        self._own: dict[str, ModuleType] = {}
        self._packing = threading.Lock()  # the body packs a step while another thread packs what came to one

    def pack(self, what: Any, name: str) -> bytes:
        """Return something with the project's code in it as bytes for `arrival.unpacked`; raises UsageError."""
        with self._packing, self._by_value():
            try:
                return self._packed(what, {})
            except Exception as problem:  # a class decides for itself how it refuses
                left_out = self._left_out()
                try:
                    return self._packed(what, left_out)
                except Exception:
                    raise self._refused(name, what, problem) from problem

    def _packed(self, what: Any, left_out: dict[str, dict[str, str]]) -> bytes:
        content = io.BytesIO()
        pickler = _Pickler(content, self)
        pickler.dump((what, self._materializers()))
        done: set[str] = set()
        while waiting := [name for name in pickler.reached if name not in done]:
            for name in waiting:  # dumping a module reaches others
                done.add(name)
                gone = left_out.get(name, {})
                pickler.dump((name, *self._content(name, gone, pickler.objects), gone))
        pickler.dump(None)
        return content.getvalue()

    def _content(
        self, name: str, gone: dict[str, str], met: dict[tuple[str, str], Any]
    ) -> tuple[str | None, dict[str, Any]]:
        """Return a module's file and what of it travels: all of a module, of the script what the step reaches.

        A function is not what stands for it in the script under its name, where a decorator made something else of it.
        """
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if module is None or name == "__main__":
            own = vars(module) if module is not None else {}
            return file, {
                key: item
                for (owner, key), item in met.items()
                if owner == name and "." not in key and own.get(key, item) is item
            }
        return file, {
            key: item for key, item in vars(module).items() if key not in _NEVER and key not in gone
        }

    def _materializers(self) -> dict[type, type]:
        """Return the materializers that the project registered: a class that is made anew registers nothing."""
        return {kind: made for kind, made in registered().items() if self._is_of_project(made)}

    def _is_of_project(self, kind: type) -> bool:
        is_own = kind.__module__ == "__main__" or kind.__module__ in self._own
        return is_own and classes.is_found(kind)  # a notebook's cell may have been run twice

    def _left_out(self) -> dict[str, dict[str, str]]:
        """Return, by module, what of it cannot travel and why: a lock, an open file, a connection."""
        found: dict[str, dict[str, str]] = {}
        for name, module in self._own.items():
            for key, item in list(vars(module).items()):
                if key in _NEVER:
                    continue
                try:
                    _Pickler(io.BytesIO(), self).dump(item)
                except Exception as problem:
                    found.setdefault(name, {})[key] = str(problem)
        return found

    def _refused(self, name: str, what: Any, problem: Exception) -> UsageError:
        """Say what of a step cannot travel, by the name that it has in the step's globals."""
        reason = problem.message if isinstance(problem, MlxError) else str(problem)
        function = getattr(what, "function", None)
        for key in getattr(getattr(function, "__code__", None), "co_names", ()):
            try:
                _Pickler(io.BytesIO(), self).dump(getattr(function, "__globals__", {}).get(key))
            except Exception as why:
                return UsageError(
                    f"{name} cannot be given to a worker: its global {key!r}: {why}", hint=_HINT
                )
        return UsageError(f"{name} cannot be given to a worker: {reason}", hint=_HINT)

    @contextmanager
    def _by_value(self) -> Iterator[None]:
        """Have cloudpickle take the project's modules by value meanwhile."""
        if self._counted != len(sys.modules):  # looking at all of them takes 10 ms and more
            self._own = own_modules(self._places)
            self._counted = len(sys.modules)
        before = cloudpickle.list_registry_pickle_by_value()
        for name, module in self._own.items():
            if name not in before:
                cloudpickle.register_pickle_by_value(module)
        try:
            yield
        finally:
            for name, module in self._own.items():
                if name not in before:
                    cloudpickle.unregister_pickle_by_value(module)


class _Globals(dict[str, Any]):
    """Stands for the globals of a module that travels; not empty, so that cloudpickle takes them for filled."""

    def __init__(self, name: str) -> None:
        super().__init__(__name__=name)
        self.name = name


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Notes which modules of the project it reaches."""

    def __init__(self, file: Any, shipper: Shipper) -> None:
        super().__init__(file, protocol=5)
        self._shipper = shipper
        self.reached: dict[str, None] = {}
        self.objects: dict[tuple[str, str], Any] = {}
        for name, module in {**shipper._own, "__main__": sys.modules["__main__"]}.items():
            # A function finds on the other side what its module has there, and what it sets is seen by the others.
            self.globals_ref[id(vars(module))] = _Globals(name)

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is _Globals:
            self.reached[obj.name] = None
            return arrival.globals_of, (obj.name,)
        if type(obj) is _LOCK:  # nobody holds it over there
            return threading.Lock, ()
        if type(obj) is _RLOCK:
            return threading.RLock, ()
        if type(obj) is _LOCAL:
            return threading.local, (), dict(vars(obj))
        if type(obj) in (_CACHED, typing.NewType) and self._is_shipped(obj.__module__):  # by name, they say
            if type(obj) is _CACHED:
                return arrival.cached, (obj.__wrapped__, obj.cache_parameters())
            return typing.NewType, (obj.__name__, obj.__supertype__)
        if isinstance(obj, ModuleType):
            if obj.__name__ in self._shipper._own:
                self.reached[obj.__name__] = None
                return arrival.module, (obj.__name__,)
        elif isinstance(obj, (type, FunctionType)):
            module = str(getattr(obj, "__module__", None))
            if self._is_shipped(module):
                self.reached[module] = None
                self.objects.setdefault((module, obj.__qualname__), obj)
        return super().reducer_override(obj)

    def _is_shipped(self, module: str) -> bool:
        return module == "__main__" or module in self._shipper._own


def own_modules(places: Places) -> dict[str, ModuleType]:
    """Return the modules of the project that are imported, but for the script itself."""
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) if isinstance(module, ModuleType) else None
        if file and name != "__main__" and places.owner(str(file), name) == "project":
            found[name] = module
    return found
