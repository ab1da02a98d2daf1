"""Live functions and classes: where they were written, what they close over, which names they take from outside."""

from __future__ import annotations

import functools
from types import CodeType, FunctionType
from typing import Any

from . import normal
from .scopes import Chain, Names, names_of
from .sources import Definition, SourceFile, code_digest

MARKS = ("__wrapped__", "pytestmark")
_FIXED = frozenset({str, int, float, bool, bytes, complex, tuple, type(None)})
Facts = tuple[str, str, Names]
_known: dict[int, tuple[CodeType, Facts]] = {}


def facts_of(code: CodeType, function: FunctionType, source: SourceFile | None) -> Facts:
    """Return digest, name and outside names of a function; worked out once for each code object."""
    known = _known.get(id(code))
    if known is not None and known[0] is code:
        return known[1]
    definition = source.function(code) if source is not None else None
    if source is not None and definition is not None:
        facts = (
            normal.digest(definition.node, source.is_noise),
            definition.qualname,
            names_of([definition.node]),
        )
    else:
        facts = (
            f"code {code_digest(code)}",
            getattr(code, "co_qualname", function.__qualname__),
            names_in_code(code),
        )
    _known[id(code)] = (code, facts)
    return facts


def names_in_code(code: CodeType) -> Names:
    """Return the outside names of compiled code: more than it takes, where attributes are called like globals."""
    found: set[Chain] = {(name,) for name in (*code.co_names, *code.co_freevars)}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found.update(names_in_code(constant).free)
    return Names(tuple(sorted(found)), ())


def definitions_of(kind: type, source: SourceFile | None) -> list[Definition]:
    """Return where a class was written; nothing when a method of it says that the file has changed since."""
    found = source.classes.get(kind.__qualname__, []) if source is not None else []
    for method in methods_of(kind):
        code = method.__code__
        if (
            source is None
            or code.co_filename != source.path
            or method.__qualname__ != f"{kind.__qualname__}.{code.co_name}"
        ):
            continue  # made by a decorator, or borrowed from another class
        if source.function(code) is None:
            return []
    return found


def methods_of(kind: type) -> list[FunctionType]:
    found = (getattr(item, "__func__", getattr(item, "fget", item)) for item in vars(kind).values())
    return [item for item in found if isinstance(item, FunctionType)]


def functions_in(item: Any) -> list[FunctionType]:
    """Return the functions that an attribute of a class is made of; none when it is not just a method."""
    found: list[Any]
    if isinstance(item, property):
        found = [part for part in (item.fget, item.fset, item.fdel) if part is not None]
    elif isinstance(item, (staticmethod, classmethod)):
        found = [item.__func__]
    else:
        found = [item.func if type(item) is functools.cached_property else item]
    functions = [part for part in found if isinstance(part, FunctionType)]
    return functions if len(functions) == len(found) else []


def held_by(function: FunctionType) -> list[Any]:
    """Return the state of a function itself: its defaults and what it was given as attributes."""
    attributes = {name: value for name, value in function.__dict__.items() if name not in MARKS}
    return [part for part in (function.__defaults__, function.__kwdefaults__, attributes) if part]


def is_written_in(function: FunctionType, kind: type, source: SourceFile) -> bool:
    """Say whether a function is written in the body of a class, whose source it is part of."""
    if function.__code__.co_filename != source.path:
        return False
    definition = source.function(function.__code__)
    return definition is not None and definition.qualname.startswith(f"{kind.__qualname__}.")


def cells_of(function: FunctionType) -> dict[str, Any]:
    """Return what a closure closes over; cells that are not filled yet are left out."""
    cells = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            cells[name] = cell.cell_contents
        except ValueError:
            continue
    return cells


def computed_defaults(function: FunctionType, definition: Definition | None) -> list[tuple[str, Any]]:
    """Return the defaults whose source does not say their value: `def f(x=SCALE)`, `lambda x, i=i: ...`, `def f(x=[])`."""
    arguments = getattr(definition.node, "args", None) if definition else None
    code = function.__code__
    positional = list(
        zip(
            reversed(code.co_varnames[: code.co_argcount]),
            reversed(function.__defaults__ or ()),
            strict=False,
        )
    )
    found = [*positional, *(function.__kwdefaults__ or {}).items()]
    if arguments is None or not found:
        return found
    sources = dict(
        zip(
            reversed([a.arg for a in (*arguments.posonlyargs, *arguments.args)]),
            reversed(arguments.defaults),
            strict=False,
        )
    )
    sources.update(
        {
            a.arg: default
            for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if default
        }
    )
    return [
        (name, value)
        for name, value in found
        if type(value) not in _FIXED or name not in sources or names_of([sources[name]]).free
    ]
