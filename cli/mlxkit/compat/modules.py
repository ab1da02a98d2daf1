"""Modules that stand for ZenML's, made of the table; a name is looked up when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ..errors import UsageError, did_you_mean
from ..pipelines.guests import GuestMark
from .table import ALIASES, REASONS

_DOC = "README, 'Coming from ZenML'"


class UnsupportedImportError(UsageError, ImportError):
    """A module or name of ZenML's that `mlx` has nothing for."""


class UnsupportedNameError(UsageError, AttributeError):
    """The same, asked for as an attribute."""


class ServedModule(ModuleType):
    """A module of the table."""

    def __getattr__(self, name: str) -> Any:
        target = ALIASES[self.__name__].get(name)
        if target is not None:
            value = resolve(target)
            setattr(self, name, value)
            return value
        if name.startswith("__"):
            raise AttributeError(name)
        if f"{self.__name__}.{name}" in ALIASES:  # `import zenml; zenml.client.Client`
            return import_module(f"{self.__name__}.{name}")
        raise UnsupportedNameError(*_words(f"{self.__name__}.{name}"))

    def __dir__(self) -> Iterable[str]:
        return sorted(ALIASES[self.__name__])


class Loader:
    """Makes the modules of the table; there is nothing to execute."""

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        """Return an empty module that knows where to look."""
        module = ServedModule(spec.name, f"Names of {spec.name} that mlx serves.")
        module.__all__ = list(ALIASES[spec.name])  # type: ignore[attr-defined]
        return module

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Do nothing: names come when they are asked for."""


def spec_of(name: str) -> ModuleSpec:
    """Return the spec of a module in the table; raises UnsupportedImportError for any other of ZenML's.

    Every module is a package, so that `from zenml import unknown` arrives here and gets an answer in words.
    """
    parent, _, last = name.rpartition(".")
    if name not in ALIASES:
        raise UnsupportedImportError(*_words(name))
    if parent and last in ALIASES.get(parent, {}):  # a name of the parent's, such as zenml.step, is no module
        raise UnsupportedImportError(f"{name} is no module")
    spec = ModuleSpec(name, Loader, is_package=True, origin="mlx")  # type: ignore[arg-type]
    spec.submodule_search_locations = []
    spec.loader_state = GuestMark()
    return spec


def resolve(target: str) -> Any:
    """Return what a row of the table stands for: `module:name` of this package, or a plain value."""
    if not target.startswith("."):
        return target
    module, _, name = target.partition(":")
    return getattr(import_module(module, "mlxkit"), name)


def _words(name: str) -> tuple[str, ...]:
    reason = next((REASONS[key] for key in _ancestry(name) if key in REASONS), None)
    if reason:
        return (f"{name} is not supported by mlx: {reason}",)
    parent, _, last = name.rpartition(".")
    known = [
        *ALIASES.get(parent, ()),
        *(key.rpartition(".")[2] for key in ALIASES if key.startswith(f"{parent}.")),
    ]
    return (f"{name} is not supported by mlx{did_you_mean(last, known)}; see {_DOC}",)


def _ancestry(name: str) -> Iterable[str]:
    while name:
        yield name
        name = name.rpartition(".")[0]
