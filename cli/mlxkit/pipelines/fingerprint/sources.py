"""Source files, parsed once in a process, and the way from a live function or class to its piece of source."""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

_FUTURE_FLAGS = (
    0x1FF0000  # every `from __future__` feature of Python 3; they are part of a code object's flags
)
_OURS = ("mlxkit", "zenml")
_IMPORTS = (ast.Import, ast.ImportFrom)


class Definition(NamedTuple):
    """A function, class or lambda in a file: what it is called there, and the top-level statement around it."""

    qualname: str
    node: ast.AST
    statement: ast.stmt


class SourceFile:
    """A parsed file and its definitions."""

    def __init__(self, path: str, tree: ast.Module) -> None:
        self.path = path
        self.tree = tree
        self.functions: dict[tuple[str, int], list[Definition]] = {}
        self.classes: dict[str, list[Definition]] = {}
        self.bindings: dict[str, list[ast.stmt]] = {}
        self._compiled: dict[int, dict[tuple[str, int], list[str]]] = {}

    def function(self, code: CodeType) -> Definition | None:
        """Return where a function was written, or None when the file no longer says what the code does."""
        key = (code.co_name, code.co_firstlineno)
        if key not in self.functions and code.co_name == "<lambda>":
            self._index_lambdas()
        found = self.functions.get(key)
        if not found:
            return None
        return found[0] if len(found) == 1 and self.is_current(code, found[0]) else None

    def is_current(self, code: CodeType, definition: Definition) -> bool:
        """Say whether a code object is what the file compiles to: a file can be edited after it was imported."""
        codes = self._compiled.get(id(definition.statement))
        if codes is None:
            codes = {}
            tree = ast.Module([*self._imports(), definition.statement], [])
            module = compile(tree, self.path, "exec", flags=code.co_flags & _FUTURE_FLAGS, dont_inherit=True)
            for inner in _codes_in(module):
                codes.setdefault((inner.co_name, inner.co_firstlineno), []).append(code_digest(inner))
            self._compiled[id(definition.statement)] = codes
        return code_digest(code) in codes.get((code.co_name, code.co_firstlineno), [])

    def _imports(self) -> list[ast.stmt]:
        """Return the imports of the file: how a method call is compiled depends on whether its base was imported."""
        found = {
            id(item): item
            for statements in self.bindings.values()
            for item in statements
            if isinstance(item, _IMPORTS)
        }
        return [item for item in found.values() if getattr(item, "module", "") != "__future__"]

    def is_noise(self, decorator: ast.expr) -> bool:
        """Say whether a decorator is our own `@step` or `@pipeline`, whose options are not the code's business."""
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        names = []
        while isinstance(target, ast.Attribute):
            names.append(target.attr)
            target = target.value
        if not isinstance(target, ast.Name):
            return False
        for statement in self.bindings.get(target.id, []):
            if isinstance(statement, ast.ImportFrom):
                return statement.level == 0 and (statement.module or "").partition(".")[0] in _OURS
            if isinstance(statement, ast.Import):
                return any(
                    (alias.asname or alias.name.partition(".")[0]) == target.id
                    and alias.name.partition(".")[0] in _OURS
                    for alias in statement.names
                )
            return False
        return (names[0] if names else target.id) in ("step", "pipeline")  # imported by another notebook cell

    def _index_lambdas(self) -> None:
        for statement in self.tree.body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Lambda):
                    definition = Definition("<lambda>", node, statement)
                    key = ("<lambda>", node.lineno)
                    if all(known.node is not node for known in self.functions.get(key, [])):
                        self.functions.setdefault(key, []).append(definition)


_files: dict[str, tuple[object, SourceFile | None]] = {}


def source_of(path: str) -> SourceFile | None:
    """Return the parsed file, read again when it has changed; None when there is no source to read."""
    stamp, content = _stamp(path)
    known = _files.get(path)
    if known is None or known[0] != stamp:
        known = _files[path] = (stamp, _parse(path, content))
    return known[1]


def code_digest(code: CodeType) -> str:
    """Return the digest of compiled code, where there is no source: the same Python gives the same digest."""
    digest = hashlib.sha256(code.co_code)
    facts = (
        code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_argcount,
        code.co_posonlyargcount, code.co_kwonlyargcount, getattr(code, "co_exceptiontable", b""),
    )  # fmt: skip
    digest.update(repr(facts).encode())
    for constant in code.co_consts:
        digest.update(b"\0" + _constant(constant).encode())
    return digest.hexdigest()


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return code_digest(value)
    if isinstance(value, tuple):
        return "(" + ",".join(map(_constant, value)) + ")"
    if isinstance(value, frozenset):
        return "{" + ",".join(sorted(map(_constant, value))) + "}"
    return f"{type(value).__name__} {value!r}"


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes_in(constant)


def _stamp(path: str) -> tuple[object, str | None]:
    """Return what changes when a file does, and the text of what only lives in memory, as a notebook's cells do."""
    try:
        found = Path(path).stat()
    except OSError:
        lines = getattr(sys.modules.get("linecache"), "cache", {}).get(path)
        if lines is None or len(lines) < 4:
            return None, None
        content = "".join(lines[2])
        return hash(content), content
    return (found.st_mtime_ns, found.st_size), None


def _parse(path: str, content: str | None) -> SourceFile | None:
    try:
        tree: Any = compile(
            Path(path).read_bytes() if content is None else content,
            path,
            "exec",
            flags=ast.PyCF_ONLY_AST,
            dont_inherit=True,
        )
    except (OSError, SyntaxError, ValueError):
        return None
    source = SourceFile(path, tree)
    for statement in tree.body:
        _bind(statement, source)
        _define(statement, "", statement, source)
    return source


def _define(node: ast.AST, prefix: str, statement: ast.stmt, source: SourceFile) -> None:
    """Index the functions and classes in a statement, at any depth."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        definition = Definition(prefix + node.name, node, statement)
        line = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        source.functions.setdefault((node.name, line), []).append(definition)
        prefix = f"{definition.qualname}.<locals>."
    elif isinstance(node, ast.ClassDef):
        definition = Definition(prefix + node.name, node, statement)
        source.classes.setdefault(definition.qualname, []).append(definition)
        prefix = f"{definition.qualname}."
    for name in ("body", "orelse", "handlers", "finalbody", "cases"):
        for child in getattr(node, name, None) or () if not isinstance(node, (ast.Lambda, ast.IfExp)) else ():
            _define(child, prefix, statement, source)


def _bind(statement: ast.stmt, source: SourceFile) -> None:
    """Index the names that a top-level statement binds, branches included."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        source.bindings.setdefault(statement.name, []).append(statement)
        return
    if isinstance(statement, (ast.Import, ast.ImportFrom)):
        for alias in statement.names:
            local = alias.asname or (
                alias.name if isinstance(statement, ast.ImportFrom) else alias.name.partition(".")[0]
            )
            source.bindings.setdefault(local, []).append(statement)
        return
    nested = [child for name in ("body", "orelse", "finalbody") for child in getattr(statement, name, [])]
    nested += [child for handler in getattr(statement, "handlers", []) for child in handler.body]
    for child in nested:
        _bind(child, source)
    if not nested:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                source.bindings.setdefault(node.id, []).append(statement)
