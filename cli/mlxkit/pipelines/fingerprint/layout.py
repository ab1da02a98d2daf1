"""Where an object keeps its state: its attributes and slots, the container it derives from, or what it pickles."""

from __future__ import annotations

import copyreg
from collections import deque
from collections.abc import Callable, Mapping
from functools import cache
from types import MemberDescriptorType
from typing import Any

_PICKLING = ("__reduce__", "__reduce_ex__", "__getstate__", "__getnewargs__", "__getnewargs_ex__")
_POINTER = tuple.__itemsize__
_KNOWN: dict[type, Callable[[Any], Any]] = {
    dict: lambda value: dict(dict.items(value)),
    list: lambda value: list(list.__iter__(value)),
    tuple: lambda value: list(tuple.__iter__(value)),
    set: lambda value: set(set.__iter__(value)),
    frozenset: lambda value: set(frozenset.__iter__(value)),
    deque: lambda value: (list(deque.__iter__(value)), value.maxlen),
    str: lambda value: str.__str__(value),
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    int: lambda value: int.__add__(value, 0),
    float: lambda value: float.hex(value),
    object: lambda _: None,
}


def attributes_of(value: Any) -> dict[str, Any]:
    """Return the attributes of an object, without asking the object."""
    try:
        return dict(object.__getattribute__(value, "__dict__"))
    except AttributeError:
        return {}


def slots_of(value: Any, counts: Callable[[type], bool]) -> dict[str, Any]:
    """Return what an object has in the slots of those of its classes that count."""
    found = {}
    for base in type(value).__mro__:
        if "__slots__" not in base.__dict__ or not counts(base):
            continue
        for name, slot in base.__dict__.items():
            if isinstance(slot, MemberDescriptorType):
                try:
                    found[f"{base.__name__}.{name}"] = slot.__get__(value)
                except AttributeError:  # not filled
                    continue
    return found


def content_of(value: Any) -> Any:
    """Return what an object holds as the builtin container or number that it derives from, None for other objects."""
    return _KNOWN[_known_base(type(value))](value)


@cache
def is_readable(kind: type) -> bool:
    """Say whether attributes, slots and content are all that the instances of a class have."""
    base = _known_base(kind)
    size = base.__basicsize__
    if base.__dictoffset__ == 0 and kind.__dictoffset__ not in (0, -1):
        size += _POINTER
    if base.__weakrefoffset__ == 0 and kind.__weakrefoffset__ > 0:
        size += _POINTER
    size += _POINTER * sum(
        isinstance(slot, MemberDescriptorType)
        for item in kind.__mro__
        if item not in _KNOWN
        for slot in item.__dict__.values()
    )
    return kind.__basicsize__ <= size


@cache
def has_own_pickling(kind: type) -> bool:
    """Say whether a class says itself what its state is."""
    if kind in copyreg.dispatch_table:
        return True
    return any(name in base.__dict__ for base in kind.__mro__ if base is not object for name in _PICKLING)


def reduced(value: Any) -> Any:
    """Return what an object pickles, as a name or as its pieces in a list; raises whatever the object does."""
    kind = type(value)
    special = copyreg.dispatch_table.get(kind)
    found: Any = special(value) if special else getattr(kind, "__reduce_ex__")(value, 4)  # noqa: B009  not by the instance
    if isinstance(found, str):
        return found
    pieces = [*found, *[None] * (5 - len(found))]
    pieces[3] = None if pieces[3] is None else list(pieces[3])
    pieces[4] = None if pieces[4] is None else list(pieces[4])
    return pieces


def tensor_of(value: Any, modules: Mapping[str, Any]) -> Any:
    """Return a PyTorch tensor as dtype, shape and the bytes in an array: what it pickles has addresses in it."""
    flat = value.detach().cpu().contiguous().reshape(-1).view(modules["torch"].uint8).numpy()
    return [str(value.dtype), list(value.shape), bool(value.requires_grad), flat]


def _known_base(kind: type) -> type:
    return next(base for base in kind.__mro__ if base in _KNOWN)
