"""Follow names through source alone: for modules that a function imports when it runs, which are not imported for this.

It is used whether such a module happens to be imported or not, so that a key does not depend on that.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from . import normal
from .parts import Parts, sha
from .places import module_label
from .scopes import Chain, Imported, Names, names_of
from .sources import SourceFile, source_of

_CODE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Unloaded:
    """Adds what is reached through source to a walk."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def imported(self, use: Imported, package: str) -> None:
        """Add what an import inside a function takes from a module."""
        module = use.module
        if use.level:
            base = package.split(".")
            base = base[: len(base) - use.level + 1]
            module = ".".join([*base, *([use.module] if use.module else [])])
        self.take(module, use.chain)

    def take(self, module: str, chain: Chain) -> None:
        """Add an attribute of a module, or all of it when nothing is said."""
        if not module or module.partition(".")[0] in sys.stdlib_module_names | {"mlxkit", "zenml"}:
            return
        if chain:
            inner = self.parts.places.find(f"{module}.{chain[0]}")
            if inner is not None and self.parts.places.owner(inner, module) == "project":
                self.take(f"{module}.{chain[0]}", chain[1:])
                return
        file = self.parts.places.find(module)
        owner = self.parts.places.owner(file, module) if file else "package"
        if owner != "project" or file is None:
            if owner == "package":
                self.parts.package(module)
            return
        source = source_of(file) if file.endswith(".py") else None
        if source is not None and chain and self._has(source, chain[0]):
            self._name(chain, source, module)
        else:
            self.whole_module(module, file)

    def follow(self, names: Names, source: SourceFile, module: str) -> None:
        """Add what a piece of source takes from its module and from its own imports."""
        for chain in names.free:
            self._name(chain, source, module)
        for use in names.imported:
            self.imported(use, _package(source, module))

    def whole_module(self, module: str, file: str | None) -> None:
        """Add a module as a whole; compiled ones by their bytes."""
        if file is None or not self.parts.is_new(("module", file)):
            return
        source = source_of(file) if file.endswith(".py") else None
        if source is not None:
            digest = normal.digest(source.tree, source.is_noise)
        else:
            from ...artifacts.hashing import file_digest

            digest = file_digest(Path(file))
        self.parts.add(f"module {module_label(module, file)}", digest)

    def _has(self, source: SourceFile, name: str) -> bool:
        return name in source.bindings or bool(_stars(source))

    def _name(self, chain: Chain, source: SourceFile, module: str) -> None:
        """Add what a name at the top of a module is bound to."""
        name = chain[0]
        statements = source.bindings.get(name)
        if statements is None:
            for star in _stars(source):
                self.imported(Imported(star.level, star.module or "", (name,)), _package(source, module))
            return
        if not self.parts.is_new(("name", source.path, chain)):
            return
        assigned = []
        for statement in statements:
            if isinstance(statement, ast.ImportFrom):
                for alias in statement.names:
                    if (alias.asname or alias.name) == name:
                        use = Imported(statement.level, statement.module or "", (alias.name, *chain[1:]))
                        self.parts.later(self.imported, use, _package(source, module))
            elif isinstance(statement, ast.Import):
                for alias in statement.names:
                    if alias.asname == name:
                        self.parts.later(self.take, alias.name, chain[1:])
                    elif alias.asname is None and alias.name.partition(".")[0] == name:
                        self.parts.later(self.take, name, chain[1:])
            elif isinstance(statement, _CODE):
                kind = "class" if isinstance(statement, ast.ClassDef) else "function"
                self._piece(f"{kind} {module_label(module, source.path)}.{name}", [statement], source, module)
            else:
                assigned.append(statement)
        if assigned:
            self._piece(f"constant {module_label(module, source.path)}.{name}", assigned, source, module)

    def _piece(self, label: str, statements: list[ast.stmt], source: SourceFile, module: str) -> None:
        if self.parts.is_new(("piece", label, source.path, *(item.lineno for item in statements))):
            self.parts.add(label, sha("".join(normal.text(item, source.is_noise) for item in statements)))
            self.parts.later(self.follow, names_of(statements), source, module)


def _stars(source: SourceFile) -> list[ast.ImportFrom]:
    return [item for item in source.bindings.get("*", []) if isinstance(item, ast.ImportFrom)]


def _package(source: SourceFile, module: str) -> str:
    """Return the package that relative imports in a file start from."""
    return module if Path(source.path).name == "__init__.py" else module.rpartition(".")[0]
