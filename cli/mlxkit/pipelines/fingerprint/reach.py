"""Follow a step into everything of the project that it reaches, as the objects are now in this process."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

from ...artifacts import classes
from . import normal
from .constants import Constants, wrapped_by
from .live import MARKS, cells_of, computed_defaults, definitions_of, facts_of, methods_of, names_in_code
from .parts import Parts, sha
from .places import Owner, Places, file_of, folder_of, module_label
from .scopes import Chain, Names, names_of
from .sources import SourceFile, code_digest, source_of
from .unloaded import Unloaded

_MISSING = object()
_CODE = (FunctionType, type, ModuleType)


def code_parts(function: Any, root: Path, uses: Iterable[str] = ()) -> dict[str, str]:
    """Return the parts of a cache key that are code.

    `step` is the function itself; `function`, `class`, `constant` and `module` parts are what it reaches in the
    project, however far away; `package` parts are the versions of what it names of others. `uses` are the
    classes and functions, as `module:name`, that it is given in its inputs: it can call them without naming them.
    """
    function = _unwrapped(function)
    code = getattr(function, "__code__", None)
    roots = [root]
    if code is not None and not code.co_filename.startswith("<"):
        roots.append(folder_of(code.co_filename, str(function.__globals__.get("__package__") or "")))
    reach = Reach(Parts(Places(*roots)))
    if isinstance(function, FunctionType):
        reach.function(function, label="step")
    else:  # a class with __call__, a partial, something compiled
        reach.parts.add("step", f"{type(function).__module__}.{type(function).__qualname__}")
        reach.value("step", "callable", function)
    for reference in uses:
        reach.given(reference)
    return dict(sorted(reach.parts.run().items()))


class Reach:
    """One walk over live objects."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.unloaded = Unloaded(parts)
        self.constants = Constants(self)
        self._owners: dict[type, Owner] = {}

    def value(self, module: str, name: str, value: Any, source: SourceFile | None = None) -> str:
        """Add whatever a name stands for; returns what it is, in a word or as a digest."""
        kind = type(value)  # not `isinstance`: an object may lie about its class, or refuse to say
        if issubclass(kind, FunctionType):
            return self.function(value)
        if issubclass(kind, type):
            return self.class_(value)
        if issubclass(kind, ModuleType):
            return self.module(value)
        if issubclass(kind, MethodType):
            self.value(module, name, value.__self__)
            return self.value(module, name, value.__func__)
        if issubclass(kind, (staticmethod, classmethod)):
            return self.value(module, name, value.__func__)
        wrapped = wrapped_by(value)
        if (
            wrapped is not None and self.owner_of(kind) != "project"
        ):  # one of our steps, functools.cache, and many other decorators
            self._owner_of(kind)
            return self.value(module, name, wrapped)
        if issubclass(kind, functools.partial):
            self.value(module, name, value.func)
            return self.constants.add(module, f"{name}(...)", (value.args, value.keywords), source)
        if self.is_code(value, kind):
            return self._owner_of(value if issubclass(kind, BuiltinFunctionType) else kind)
        return self.constants.add(module, name, value, source)

    def is_code(self, value: Any, kind: type) -> bool:
        """Say whether something is followed or named, not looked into: code, and what is our own."""
        if issubclass(kind, _CODE):
            return True
        if issubclass(kind, BuiltinFunctionType):  # `len`, not `items.append`
            return value.__self__ is None or issubclass(type(value.__self__), _CODE)
        owner = self.owner_of(kind)
        return owner == "ours" or (owner != "project" and wrapped_by(value) is not None)

    def owner_of(self, kind: type) -> Owner:
        """Return whose a class is."""
        found = self._owners.get(kind)
        if found is None:
            file = getattr(sys.modules.get(kind.__module__), "__file__", None)
            found = self._owners[kind] = self.parts.places.owner(file, kind.__module__)
        return found

    def given(self, reference: str) -> None:
        """Add a class or function that is known by its name; its module is not imported for that."""
        module, _, qualname = reference.partition(":")
        main, _, script = module.partition("/")
        if main != "__main__":
            self.unloaded.take(module, tuple(qualname.split(".")))
            return
        found = classes.of_script(script, qualname)
        if found is not None:
            self.value(script, qualname, found)

    def function(self, function: FunctionType, label: str = "") -> str:
        """Add a function and, later, what it reaches."""
        code = function.__code__
        module = str(function.__globals__.get("__name__") or "")
        owner = self.parts.places.owner(code.co_filename, module)
        wrapped = function.__dict__.get("__wrapped__")
        if owner != "project" and not label:
            if owner == "package":
                self.parts.package(module)
            if wrapped is not None:  # a package's decorator around the project's function
                self.value(module, function.__name__, wrapped)
                if owner == "python":
                    self._registered(function, module)
            elif owner == "package":
                for cell in cells_of(function).values():
                    if isinstance(cell, FunctionType):
                        self.function(cell)
            return f"{module}.{function.__qualname__}"
        source = source_of(code.co_filename)
        digest, qualname, names = facts_of(code, function, source)
        where = module_label(module, code.co_filename)
        if self.parts.is_new(("function", id(function)), function):
            self.parts.add(label or f"function {where}.{qualname}", digest)
            self.parts.later(self._inside_function, function, where, qualname, names, source)
            if wrapped is not None:
                self.parts.later(self.value, module, function.__name__, wrapped)
        return f"{where}.{qualname}"

    def _registered(self, function: FunctionType, module: str) -> None:
        """Add the functions that `functools.singledispatch` chooses from."""
        registry = function.__dict__.get("registry")
        if type(registry) is MappingProxyType:
            self.constants.add(module, f"{function.__name__}.registry", registry, None)

    def class_(self, kind: type) -> str:
        """Add a class and, later, what its methods and bases reach."""
        module = kind.__module__
        file = getattr(sys.modules.get(module), "__file__", None)
        owner = self.owner_of(kind)
        if owner == "package":
            self.parts.package(module)
        where = module_label(module, file)
        if owner == "project" and self.parts.is_new(("class", id(kind)), kind):
            source = source_of(file) if file else None
            definitions = definitions_of(kind, source)
            state, unknown = self.constants.of_class(kind, where, source if definitions else None)
            if source is not None and definitions:
                text = "".join(normal.text(item.node, source.is_noise) for item in definitions)
                self.parts.add(f"class {where}.{kind.__qualname__}", unknown or sha(text + state))
                names = names_of(item.node for item in definitions)
                self.parts.later(
                    lambda: self._names(names, vars(sys.modules[module]), {}, where, module, source)
                )
                cells = {name: cell for method in methods_of(kind) for name, cell in cells_of(method).items()}
                self.parts.later(self._names, names, cells, {}, f"{where}.{kind.__qualname__}", module, None)
            else:
                self._class_without_source(kind, where, state, unknown)
            for base in (*kind.__bases__, type(kind)):
                self.class_(base)
        return f"{where}.{kind.__qualname__}"

    def module(self, module: ModuleType) -> str:
        """Add a module that is used as a value: all of it."""
        file = file_of(module)
        owner = self.parts.places.owner(file, module.__name__)
        if owner == "package":
            self.parts.package(module.__name__)
        elif owner == "project":
            self.unloaded.whole_module(module.__name__, file)
        return module.__name__

    def _inside_function(
        self, function: FunctionType, where: str, qualname: str, names: Names, source: SourceFile | None
    ) -> None:
        module = str(function.__globals__.get("__name__") or "")
        self._names(
            names, function.__globals__, cells_of(function), where, module, source, f"{where}.{qualname}"
        )
        definition = source.function(function.__code__) if source else None
        for parameter, default in computed_defaults(function, definition):
            self.value(f"{where}.{qualname}", parameter, default)
        for name, value in function.__dict__.items():
            if name not in MARKS:
                self.value(f"{where}.{qualname}", name, value)

    def _names(
        self,
        names: Names,
        namespace: Mapping[str, Any],
        cells: Mapping[str, Any],
        where: str,
        module: str,
        source: SourceFile | None,
        inner: str = "",
    ) -> None:
        """Look up the outside names of a piece of source and add what they stand for."""
        for chain in names.free:
            if chain[0] in cells:
                self._chain(chain, cells[chain[0]], inner, None)
            elif chain[0] in namespace:
                self._chain(chain, namespace[chain[0]], where, source)
        package = str(namespace.get("__package__") or "")
        for use in names.imported:
            self.unloaded.imported(use, package or module.rpartition(".")[0])

    def _chain(self, chain: Chain, value: Any, where: str, source: SourceFile | None) -> None:
        """Follow `helpers.sub.fn` through the project's modules to the thing itself."""
        name = chain[0]
        for attribute in chain[1:]:
            if not isinstance(value, ModuleType):
                break
            file = file_of(value)
            if self.parts.places.owner(file, value.__name__) != "project":
                break
            inner = vars(value).get(attribute, _MISSING)
            if inner is _MISSING:
                inner = sys.modules.get(f"{value.__name__}.{attribute}", _MISSING)
            if inner is _MISSING:
                break
            where, source, name = (
                module_label(value.__name__, file),
                source_of(file) if file else None,
                attribute,
            )
            value = inner
        self.value(where, name, value, source)

    def _owner_of(self, item: Any) -> str:
        module = str(getattr(item, "__module__", None) or "builtins")
        if self.parts.places.owner(None, module) == "package":
            self.parts.package(module)
        return f"{module}.{getattr(item, '__qualname__', '')}"

    def _class_without_source(self, kind: type, where: str, state: str, unknown: str) -> None:
        """Add a class that was typed in or made by a call, by what it has."""
        facts = [getattr(kind, "__name__", "")]
        for name, item in sorted(vars(kind).items()):
            item = getattr(item, "__func__", getattr(item, "fget", item))
            if isinstance(item, FunctionType):
                facts.append(f"{name}={code_digest(item.__code__)}")
                names = names_in_code(item.__code__)
                self.parts.later(self._inside_function, item, where, item.__qualname__, names, None)
        self.parts.add(f"class {where}.{kind.__qualname__}", unknown or sha("\n".join([*facts, state])))


def _unwrapped(function: Any) -> Any:
    """Return the function behind one of our steps."""
    while type(function).__module__.partition(".")[0] == "mlxkit" and hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function.__func__ if isinstance(function, MethodType) else function
