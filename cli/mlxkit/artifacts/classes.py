"""Names of classes in stored content: how a class is written down and found again."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import FunctionType
from typing import Any, get_args

from .errors import ArtifactUnreadableError

BeforeCode = Callable[[str], None]
"""Asked before code runs that stored content names, with what that is; raises what forbids it."""

_PYTHON = os.__file__.replace("\\", "/").rpartition("/")[0] + "/"


def type_name(kind: type) -> str:
    """Return the qualified name of a type, for people; builtins without their module."""
    name = getattr(kind, "__qualname__", kind.__name__)
    return name if kind.__module__ == "builtins" else f"{kind.__module__}.{name}"


def root_module(kind: type) -> str:
    """Return the top-level module a type comes from, without importing anything."""
    return str(kind.__module__).partition(".")[0]


def has_base(kind: type, module: str, name: str) -> bool:
    """Say whether a type derives from a class that is known only by its name."""
    return any(base.__name__ == name and root_module(base) == module for base in kind.__mro__)


def fields_of(kind: type) -> tuple[str, ...] | None:
    """Return the names of a dataclass's fields, None for other classes; a metaclass is not asked, it may say anything."""
    for base in kind.__mro__:
        if "__dataclass_fields__" in base.__dict__:
            return tuple(base.__dict__["__dataclass_fields__"])
    return None


def reference(kind: type | FunctionType) -> str | None:
    """Return `module:qualname`, or None when that would not lead back to the class.

    The module of a class of the script itself is `__main__` and the name of its file.
    """
    if not is_found(kind):
        return None
    return f"{_module_name(kind.__module__)}:{kind.__qualname__}"


def of_user(references: Iterable[str]) -> list[str]:
    """Return, of references to classes and functions, those to code that is neither installed nor Python's own."""
    return sorted(item for item in references if _is_user_module(item.partition(":")[0].partition("/")[0]))


def script_name() -> str:
    """Return the name under which the running script would be imported, `__main__` when it has no file."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    return file.replace("\\", "/").rpartition("/")[2].removesuffix(".py") if file else "__main__"


def of_script(script: str, qualname: str) -> Any:
    """Return a class or function of a script: of the one that runs, or of a module that is loaded under its name."""
    found = _walk(sys.modules.get("__main__"), qualname)
    return found if found is not None else _walk(sys.modules.get(script), qualname)


def outermost(reference: str) -> Any:
    """Return what the module of `module:qualname` has under the first name, None while that module is not loaded."""
    module, _, qualname = reference.partition(":")
    main, _, script = module.partition("/")
    name = qualname.partition(".")[0]
    return of_script(script, name) if main == "__main__" else _defined(module, name)


def is_found(item: Any) -> bool:
    """Say whether a class or function is what its module has under its name."""
    return _walk(sys.modules.get(item.__module__), item.__qualname__) is item


def find(text: str, known: Mapping[str, type] | None = None, before_code: BeforeCode | None = None) -> type:
    """Return the class behind `module:qualname`.

    The file that was run is `__main__` in one process and a module in the next, so a class of a script is looked
    for among `known` (classes by qualified name that the caller declares), in the running script, and in a module
    of its name. It is not imported for that: a script may do anything when it is. `before_code` is asked before
    any other module is.
    """
    module_name, _, qualname = text.partition(":")
    main, _, script = module_name.partition("/")
    if main == "__main__":
        declared = (known or {}).get(qualname)
        found = declared if declared is not None else of_script(script, qualname)
        if isinstance(found, type):
            return found
        raise ArtifactUnreadableError(
            f"the value is a {qualname!r} of script {script!r}, and this program defines no such class",
            hint=f"read it from that script, or move {qualname!r} into a module",
        )
    if module_name not in sys.modules and module_name == script_name():
        found = _walk(sys.modules["__main__"], qualname)
        if isinstance(found, type):
            return found
    if before_code is not None and not isinstance(_defined(module_name, qualname), type):
        before_code(f"class {text!r}, whose module this program has not imported")
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise ArtifactUnreadableError(f"the value needs {module_name!r}: {error}") from error
    found = _walk(module, qualname)
    if not isinstance(found, type):
        raise ArtifactUnreadableError(
            f"the value is a {qualname!r}, which module {module_name!r} no longer has"
        )
    return found


def find_by_type_name(name: str, known: Mapping[str, type] | None = None) -> type:
    """Return the class behind what `type_name` gave, `object` when it cannot be found any more."""
    parts = name.split(".")
    for split in range(len(parts) - 1, 0, -1):
        try:
            return find(f"{'.'.join(parts[:split])}:{'.'.join(parts[split:])}", known)
        except ArtifactUnreadableError:
            continue
    found = getattr(builtins, name, object)
    return found if isinstance(found, type) else object


def classes_in(declared: Any) -> dict[str, type]:
    """Return the classes that an annotation names, by qualified name: `list[Config] | None` gives `Config`."""
    return {kind.__qualname__: kind for kind in _classes(declared) if kind.__module__ != "builtins"}


def _module_name(module: str) -> str:
    return f"__main__/{script_name()}" if module == "__main__" else module


def _is_user_module(module: str) -> bool:
    if module == "__main__":
        return True
    file = str(getattr(sys.modules.get(module), "__file__", None) or "")
    if not file or module.partition(".")[0] in {"mlxkit", "builtins"}:
        return False
    parts = file.replace("\\", "/")
    return not any(
        place in parts for place in ("/site-packages/", "/dist-packages/")
    ) and not parts.startswith(_PYTHON)


def _classes(declared: Any) -> Iterable[type]:
    if isinstance(declared, type):
        yield declared
    for argument in get_args(declared):
        yield from _classes(argument)


def _defined(module: str, qualname: str) -> Any:
    """Return what a module that is loaded holds under a name, without asking it: a module may answer by importing more."""
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = vars(found).get(part) if hasattr(found, "__dict__") else None
    return found


def _walk(module: Any, qualname: str) -> Any:
    found = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found
