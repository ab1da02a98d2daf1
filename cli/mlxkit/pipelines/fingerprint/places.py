"""Whose code is it: the project's, a package's, Python's own, or ours; and which version a package has."""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Literal

Owner = Literal["project", "package", "python", "ours"]


class Places:
    """The folders whose code is the project's: its root, and where the step's own file lives."""

    def __init__(self, *roots: Path) -> None:
        self.roots = tuple(dict.fromkeys(_real(str(root)) for root in roots))

    def owner(self, file: str | None, module: str) -> Owner:
        """Return whose a file is; code that was typed in, without a file, belongs to the project."""
        root = module.partition(".")[0]
        if root in ("mlxkit", "zenml"):
            return "ours"
        if not file or file.startswith("<"):
            return (
                "project"
                if root == "__main__"
                else "python"
                if root in sys.stdlib_module_names
                else "package"
            )
        path = _real(file)
        if path.startswith(_OURS):
            return "ours"
        if any(part in path for part in _INSTALLED):
            return "package"
        if path.startswith(_PYTHON):
            return "python"
        is_inside = any(path.startswith(place.rstrip(os.sep) + os.sep) for place in self.roots)
        return "project" if is_inside or root == "__main__" else "package"

    def portable(self, text: str) -> str:
        """Return a text without the place of the project in a path into it: another checkout counts the same."""
        for root in self.roots:
            if text.startswith(root) and text[len(root) : len(root) + 1] in ("", os.sep):
                return f"<project>{text[len(root) :]}"
        return text

    def find(self, module: str) -> str | None:
        """Return the source file of a module without importing anything; None when there is none."""
        loaded = getattr(sys.modules.get(module), "__file__", None)
        return str(loaded) if loaded else _search(module, (*self.roots, *sys.path))


def file_of(module: ModuleType) -> str | None:
    """Return the file of a module; for a package without one, a folder of it."""
    file = getattr(module, "__file__", None)
    return str(file) if file else next(iter(getattr(module, "__path__", ())), None)


def folder_of(file: str, package: str) -> Path:
    """Return the folder from which a file is imported: its own, or the one above its outermost package."""
    folder = Path(_real(file)).parent
    for _ in range(package.count(".") + 1 if package else 0):
        folder = folder.parent
    return folder


def module_label(module: str, file: str | None) -> str:
    """Return the name of a module, the same whether its file is run or imported."""
    if module != "__main__":
        return module
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.name:
        return str(spec.name).removesuffix(".__main__")
    stem = Path(file or "").stem
    return stem if stem and not stem.startswith("<") else "__main__"


def version_of(name: str) -> str:
    """Return the version of an imported or installed top-level module, `unknown` when nothing says it."""
    module = sys.modules.get(name)
    own = vars(module).get("__version__") if isinstance(module, ModuleType) else None
    return str(own) if isinstance(own, str) else _installed(name)


@cache
def _installed(name: str) -> str:
    from ...runs.environment import version_of_module

    return version_of_module(name) or "unknown"


@cache
def _search(module: str, folders: tuple[str, ...]) -> str | None:
    tail = Path(*module.split("."))
    for folder in folders:
        for path in (Path(folder, tail, "__init__.py"), Path(folder, tail.with_suffix(".py"))):
            if path.is_file():
                return str(path)
    return None


@cache
def _real(file: str) -> str:
    return str(Path(file).resolve())


_OURS = _real(str(Path(__file__).parent.parent.parent)) + os.sep
_PYTHON = _real(str(Path(os.__file__).parent)) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
