"""Everything else, by cloudpickle: the last resort, and recorded as such.

Classes and functions of the script itself are pickled by name first and by value second: the script that
runs again gets its own class back, so that `isinstance` holds, and a notebook gets a copy.
"""

from __future__ import annotations

import mmap
import pickle
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from types import FunctionType
from typing import Any

import cloudpickle

from .. import classes
from ..errors import UnstorableOutputError


def write(value: Any, file: Any) -> set[str]:
    """Pickle a value and name the classes and functions in it; raises UnstorableOutputError for what cannot be."""
    pickler = _Pickler(file, protocol=5)
    try:
        pickler.dump(value)
    except (OSError, MemoryError):  # the disk's fault, not the value's
        raise
    except Exception as error:  # a class decides for itself how it refuses
        raise UnstorableOutputError(
            f"{classes.type_name(type(value))} cannot be stored: {error}",
            hint="return plain data, or give the step a materializer (output_materializers=...)",
        ) from error
    return pickler.code


def read(path: Path) -> Any:
    """Unpickle a file whose digest was checked; nothing else may be given to it."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        view = memoryview(content)
        try:
            return pickle.loads(view)  # noqa: S301  only content whose digest history recorded gets here
        finally:
            view.release()


def summary(_: Any) -> dict[str, Any]:
    """Return the one fact that matters about a pickle."""
    return {"pickled": True}


_CHANGED = (TextIOWrapper, memoryview)  # cloudpickle takes them, and gives back something else


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, file: Any, protocol: int) -> None:
        super().__init__(file, protocol=protocol)
        self.code: set[str] = set()

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) in _CHANGED:
            raise TypeError(f"cannot pickle {type(obj).__name__!r} object")
        name = classes.reference(obj) if isinstance(obj, (type, FunctionType)) else None
        if name is not None:
            self.code.add(name)
        if name is not None and obj.__module__ == "__main__":
            return of_script, (classes.script_name(), obj.__qualname__, cloudpickle.dumps(obj, protocol=5))
        return super().reducer_override(obj)


def of_script(script: str, qualname: str, by_value: bytes) -> Any:
    """Return the script's own class or function when this program has it, else the copy that was stored."""
    found = classes.of_script(script, qualname)
    copy: Callable[[bytes], Any] = pickle.loads
    return found if isinstance(found, (type, FunctionType)) else copy(by_value)
