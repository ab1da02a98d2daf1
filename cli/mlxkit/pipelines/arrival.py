"""The wire format, on the receiving side: the project's code as it came, under the names that it has in its project."""

from __future__ import annotations

import builtins
import functools
import io
import pickle
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from ..artifacts.materializers.base import forget_registered, register


class Arrived(ModuleType):
    """A module of the project that came by value: there is no file behind it that could be imported here."""

    def __getattr__(self, name: str) -> Any:
        why = self.__dict__.get("__left_out__", {}).get(name)
        raise AttributeError(
            f"module {self.__name__!r} came to this worker without {name!r}" + (f": {why}" if why else "")
        )


def module(name: str) -> ModuleType:
    """Return the module of that name that code by value refers to."""
    found = sys.modules.get(name)
    if not isinstance(found, Arrived):
        found = sys.modules[name] = Arrived(name)
        parent, _, own = name.rpartition(".")
        if parent in sys.modules:
            setattr(sys.modules[parent], own, found)
    return found


def globals_of(name: str) -> dict[str, Any]:
    """Return the globals of a module that functions by value belong to."""
    found = vars(module(name))
    found.setdefault("__builtins__", builtins)
    return found


def cached(function: Callable[..., Any], parameters: Mapping[str, Any]) -> Any:
    """Return a function with an empty cache around it."""
    return functools.lru_cache(**parameters)(function)


def unpacked(content: bytes) -> Any:
    """Return what `Shipper.pack` packed, with its modules in place; of several that follow each other the last."""
    packs, what = io.BytesIO(content), None
    while packs.tell() < len(content):
        what = _unpacked(packs)
    return what


def _unpacked(packs: io.BytesIO) -> Any:
    unpickler = pickle.Unpickler(packs)  # noqa: S301  our own driver's, never a file's
    what, materializers = unpickler.load()
    while (came := unpickler.load()) is not None:
        name, file, attributes, left_out = came
        place = module(name)
        if file is not None:
            place.__file__ = file
        place.__dict__.update(attributes)
        place.__dict__["__left_out__"] = left_out
    forget_registered()
    for kind, materializer in materializers.items():
        register(kind, materializer)
    return what


def forget(names: Iterable[str]) -> None:
    """Take modules of a forked process' origin out of the way of those that will come by value."""
    for name in names:
        sys.modules.pop(name, None)
    sys.modules["__main__"] = Arrived("__main__")
    forget_registered()
