"""JSON forms of well-known objects: dates, paths, enums, dataclasses, named tuples, pydantic models, NumPy scalars.

Imported when such an object turns up. Libraries are recognised by the name of a type, never by importing them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import classes
from .errors import ArtifactUnreadableError
from .plain import TAG, NotPlainError

if TYPE_CHECKING:
    from .plain import Encoder

Reader = Callable[[dict[str, Any]], Any]

_MISSING = object()
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: a class written in Python, not dict or Exception
_PICKLING = (
    "__reduce__",
    "__reduce_ex__",
    "__getnewargs__",
    "__getnewargs_ex__",
    "__getstate__",
    "__setstate__",
)


def encode(encoder: Encoder, value: Any, kind: type) -> dict[str, Any]:
    """Return the JSON form of an object; raises NotPlainError when it has none."""
    writer = _BY_NAME.get((kind.__module__, kind.__qualname__))
    if writer is not None:
        return writer(encoder, value)
    if classes.has_base(kind, "enum", "Enum"):
        return _enum(encoder, value)
    if classes.has_base(kind, "numpy", "generic"):
        return _numpy_scalar(encoder, value)
    if classes.fields_of(kind) is not None and _is_just_fields(kind):
        return _dataclass(encoder, value)
    if issubclass(kind, tuple) and hasattr(kind, "_fields") and kind.__bases__ == (tuple,):
        return {TAG: "namedtuple", "c": _class(encoder, kind), "v": encoder.items(value)}
    if classes.has_base(kind, "pydantic", "BaseModel"):
        return {TAG: "pydantic", "c": _class(encoder, kind), "v": encoder.encode(value.__getstate__())}
    raise NotPlainError(value)


def _class(encoder: Encoder, kind: type) -> str:
    """Name a class; what names a value by content does not care whether its script was run or imported."""
    name = encoder.reference(kind)
    return name.removeprefix("__main__/") if encoder.canonical else name


def _is_just_fields(kind: type) -> bool:
    """Say whether the fields of a dataclass are all of its state, and it does not pickle in a way of its own."""
    for base in kind.__mro__[:-1]:
        if base.__module__ in ("typing", "abc", "typing_extensions"):
            continue
        if not base.__flags__ & _HEAP_TYPE or (
            "__slots__" in base.__dict__ and "__dataclass_fields__" not in base.__dict__
        ):
            return False
        for name in _PICKLING:
            method = base.__dict__.get(name)
            if method is not None and getattr(method, "__module__", "") != "dataclasses":
                return False
    return True


def _dataclass(encoder: Encoder, value: Any) -> dict[str, Any]:
    kind = type(value)
    names = classes.fields_of(kind) or ()
    state = {name: found for name in names if (found := getattr(value, name, _MISSING)) is not _MISSING}
    if any(name not in state for name in getattr(value, "__dict__", {})):
        raise NotPlainError(value)  # carries more than its fields
    return {TAG: "dataclass", "c": _class(encoder, kind), "v": encoder.encode(state)}


def _undataclass(item: dict[str, Any], kind: Any) -> Any:
    value = object.__new__(kind)
    names = classes.fields_of(kind) or ()
    for name, part in item["v"].items():
        if name in names:
            object.__setattr__(value, name, part)  # frozen ones, too; __post_init__ has had its turn
        else:  # a field that the class had; a property of its name is not asked
            value.__dict__[name] = part
    return value


def _unnamedtuple(item: dict[str, Any], kind: Any) -> Any:
    value = tuple.__new__(kind, item["v"])
    if len(value) != len(kind._fields):
        raise ArtifactUnreadableError(f"{classes.type_name(kind)!r} has other fields than it had")
    return value


def _unpydantic(item: dict[str, Any], kind: Any) -> Any:
    value = kind.__new__(kind)
    value.__setstate__(item["v"])
    return value


def _enum(encoder: Encoder, value: Any) -> dict[str, Any]:
    kind: Any = type(value)
    name = _class(encoder, kind)
    if kind.__members__.get(value.name) is value:
        return {TAG: "enum", "c": name, "n": value.name}
    return {TAG: "enum", "c": name, "v": encoder.encode(value.value)}  # a combination of flags


def _unenum(item: dict[str, Any], kind: Any) -> Any:
    return kind[item["n"]] if "n" in item else kind(item["v"])


def _numpy_scalar(encoder: Encoder, value: Any) -> dict[str, Any]:
    dtype = value.dtype
    if dtype.kind in "biuf" and dtype.itemsize <= 8:
        return {TAG: "numpy", "t": dtype.str, "v": encoder.encode(value.item())}
    if dtype.kind in "cfmMSU" and dtype.names is None:
        unit = dtype.str
        return {TAG: "numpy", "t": unit, "b": value.tobytes().hex()}
    raise NotPlainError(value)


def _unnumpy(item: dict[str, Any]) -> Any:
    import numpy as np

    dtype = np.dtype(item["t"])
    if "b" in item:
        if dtype.itemsize == 0:
            return dtype.type()
        return np.frombuffer(bytes.fromhex(item["b"]), dtype=dtype)[0]
    return dtype.type(item["v"])


def _datetime(_: Encoder, value: Any) -> dict[str, Any]:
    item = {TAG: "datetime", "v": value.isoformat()}
    zone = value.tzinfo
    name = classes.type_name(type(zone))
    if name == "zoneinfo.ZoneInfo" and zone.key:
        item = {TAG: "datetime", "v": value.replace(tzinfo=None).isoformat(), "z": zone.key}
    elif zone is not None and (name != "datetime.timezone" or not zone.tzname(None).startswith("UTC")):
        raise NotPlainError(value)
    if value.fold:
        item["f"] = "1"
    return item


def _undatetime(item: dict[str, Any]) -> Any:
    from datetime import datetime

    value = datetime.fromisoformat(item["v"])
    if "z" in item:
        from zoneinfo import ZoneInfo

        value = value.replace(tzinfo=ZoneInfo(item["z"]))
    return value.replace(fold=1) if "f" in item else value


def _iso_time(_: Encoder, value: Any) -> dict[str, Any]:
    if getattr(value, "tzinfo", None) is not None:
        raise NotPlainError(value)
    return {TAG: type(value).__name__, "v": value.isoformat()}


def _from_datetime(name: str) -> Reader:
    def read(item: dict[str, Any]) -> Any:
        import datetime

        return getattr(datetime, name).fromisoformat(item["v"])

    return read


def _untimedelta(item: dict[str, Any]) -> Any:
    from datetime import timedelta

    return timedelta(*item["v"])


def _as_text(tag: str) -> Callable[[Encoder, Any], dict[str, Any]]:
    return lambda _, value: {TAG: tag, "v": str(value)}


def _from_text(module: str, name: str) -> Reader:
    def read(item: dict[str, Any]) -> Any:
        from importlib import import_module

        return getattr(import_module(module), name)(item["v"])

    return read


def _timedelta(_: Encoder, value: Any) -> dict[str, Any]:
    return {TAG: "timedelta", "v": [value.days, value.seconds, value.microseconds]}


_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")

_BY_NAME: dict[tuple[str, str], Callable[[Encoder, Any], dict[str, Any]]] = {
    ("datetime", "datetime"): _datetime,
    ("datetime", "date"): _iso_time,
    ("datetime", "time"): _iso_time,
    ("datetime", "timedelta"): _timedelta,
    ("uuid", "UUID"): _as_text("uuid"),
    ("decimal", "Decimal"): _as_text("decimal"),
    ("fractions", "Fraction"): _as_text("fraction"),
    **{
        (module, name): _as_text(name if name.startswith("Pure") else "Path")
        for module in ("pathlib", "pathlib._local", "pathlib._types")
        for name in _PATHS
    },
}

READERS: dict[str, Reader] = {
    "datetime": _undatetime,
    "date": _from_datetime("date"),
    "time": _from_datetime("time"),
    "timedelta": _untimedelta,
    "uuid": _from_text("uuid", "UUID"),
    "decimal": _from_text("decimal", "Decimal"),
    "fraction": _from_text("fractions", "Fraction"),
    "Path": _from_text("pathlib", "Path"),
    "PurePosixPath": _from_text("pathlib", "PurePosixPath"),
    "PureWindowsPath": _from_text("pathlib", "PureWindowsPath"),
    "numpy": _unnumpy,
}


def instance(item: dict[str, Any], kind: Any, before_code: classes.BeforeCode | None) -> Any:
    """Return an object of a class that stored content names.

    The class has to be one of the kind that content says it is: making an object of any class there is, or only setting
    its attributes, would run anything.
    """
    is_one, read, *own = OF_CLASS[item[TAG]]
    if not is_one(kind):
        raise ArtifactUnreadableError(
            f"the value calls {classes.type_name(kind)!r} a {item[TAG]}, and it is none"
        )
    name = next((name for name in ("__del__", *own) if _has_own(kind, name)), None)
    if name is not None and before_code is not None:
        before_code(f"class {classes.type_name(kind)!r}, whose own {name}() it would run")
    return read(item, kind)


def _has_own(kind: type, name: str) -> bool:
    """Say whether a class has a method that neither Python nor pydantic gave it."""
    found = next((base for base in kind.__mro__ if name in base.__dict__), object)
    return found is not object and classes.root_module(found) not in ("pydantic", "enum", "builtins")


OF_CLASS: dict[
    str, tuple[Any, ...]
] = {  # whether a class is one, how to read it, and its methods that this calls
    "enum": (lambda kind: classes.has_base(kind, "enum", "Enum"), _unenum),
    "dataclass": (lambda kind: classes.fields_of(kind) is not None and _is_just_fields(kind), _undataclass),
    "namedtuple": (
        lambda kind: kind.__bases__ == (tuple,) and isinstance(kind.__dict__.get("_fields"), tuple),
        _unnamedtuple,
    ),
    "pydantic": (
        lambda kind: classes.has_base(kind, "pydantic", "BaseModel"),
        _unpydantic,
        "__new__",
        "__setstate__",
    ),
}
