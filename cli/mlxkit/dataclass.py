"""Dataclasses whose methods are written when they are first called.

The standard library compiles up to six functions for each class that is defined, half a millisecond, and a run defines
eighty classes: a fifth of its start. Here only the fields are looked at when a class is defined; `__init__` is written
when the first object is made, the other methods are shared. Fields, `replace`, `asdict` and equality are the standard ones.
Not for what users make themselves: the signature of such a class is known only after its first object.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    import dataclasses
    from contextvars import ContextVar
    from reprlib import recursive_repr

    _MISSING = dataclasses.MISSING
    _is_making = ContextVar("_is_making", default=False)

    def dataclass(cls=None, /, *, frozen=False, eq=True, kw_only=False):
        """Make a dataclass of a class, with the meaning of `dataclasses.dataclass`; the methods it has are kept."""

        def make(cls):
            own = cls.__dict__
            has_hash = own.get("__hash__") is not None
            cls.__doc__ = cls.__doc__ or cls.__name__  # else a signature is read and printed to make one
            if not frozen and any(_is_frozen(base) for base in cls.__mro__[1:]):
                raise TypeError("cannot inherit non-frozen dataclass from a frozen one")
            token = _is_making.set(True)
            try:
                is_below = any(_is_frozen(base) for base in cls.__mro__[1:])
                dataclasses.dataclass(cls, init=False, repr=False, eq=False, kw_only=kw_only, frozen=is_below)
            finally:
                _is_making.reset(token)
            if frozen:
                cls.__dataclass_params__ = _FrozenParams(cls.__dataclass_params__)
            methods = {"__init__": _first(cls), "__repr__": _repr}
            if eq:
                methods["__eq__"] = _eq
            if frozen:
                methods |= {"__setattr__": _refuse_to_set, "__delattr__": _refuse_to_delete}
            for name, method in methods.items():
                if name not in own:
                    setattr(cls, name, method)
            if eq and not has_hash:
                cls.__hash__ = _hash if frozen else None
            return cls

        return make if cls is None else make(cls)

    class _FrozenParams:
        """What a frozen class says of itself; not while another of ours is made, or two functions are compiled for that."""

        def __init__(self, params):
            self._params = params

        def __getattr__(self, name):
            return getattr(self._params, name)

        @property
        def frozen(self):
            return not _is_making.get()

    def _is_frozen(base):
        return getattr(getattr(base, "__dataclass_params__", None), "frozen", False)

    def _first(cls):
        def __init__(self, *args, **kwargs):
            cls.__init__ = _written(cls)
            cls.__init__(self, *args, **kwargs)

        return __init__

    def _written(cls):
        """Write what an object begins with, as one function."""
        names = {"_set": object.__setattr__, "_MISSING": _MISSING}
        parameters, by_keyword, lines = [], [], []
        for field in dataclasses.fields(cls):
            name = field.name
            names[f"_of_{name}"] = field.default if field.default is not _MISSING else field.default_factory
            is_made = field.default_factory is not _MISSING
            if field.init:
                default = "=_MISSING" * is_made or f"=_of_{name}" * (field.default is not _MISSING)
                (by_keyword if field.kw_only else parameters).append(name + default)
                value = f"{name} if {name} is not _MISSING else _of_{name}()" if is_made else name
            elif is_made:
                value = f"_of_{name}()"
            else:
                continue  # the class has it
            lines.append(f" _set(self, {name!r}, {value})")
        if hasattr(cls, "__post_init__"):
            lines.append(" self.__post_init__()")
        given = ", ".join(["self", *parameters, *(["*", *by_keyword] if by_keyword else [])])
        exec(f"def __init__({given}):\n" + ("\n".join(lines) or " pass"), names)  # noqa: S102 - names of fields alone
        made = names["__init__"]
        made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
        return made

    @functools.cache
    def _compared(cls):
        return tuple(field.name for field in dataclasses.fields(cls) if field.compare)

    def _values(self):
        return tuple([getattr(self, name) for name in _compared(self.__class__)])

    def _eq(self, other):
        return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented

    def _hash(self):
        return hash(_values(self))

    @recursive_repr()
    def _repr(self):
        shown = (
            f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr
        )
        return f"{self.__class__.__qualname__}({', '.join(shown)})"

    def _refuse_to_set(_self, name, _value):
        raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_to_delete(_self, name):
        raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
