"""The normal form of source: what it does, without comments, docstrings, formatting, order of methods, or Python's version."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

Skip = Callable[[ast.expr], bool]
_IGNORED = frozenset({"ctx", "type_comment", "kind", "type_ignores"})
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def digest(node: ast.AST, is_noise: Skip) -> str:
    """Return the digest of a piece of source; decorators that `is_noise` recognises do not count."""
    return hashlib.sha256(text(node, is_noise).encode()).hexdigest()


def text(node: ast.AST, is_noise: Skip) -> str:
    """Return the normal form of a piece of source."""
    out: list[str] = []
    _write(node, out, is_noise)
    return "".join(out)


def _write(item: object, out: list[str], is_noise: Skip) -> None:
    if isinstance(item, ast.AST):
        out.append(type(item).__name__)
        out.append("(")
        for name in item._fields:
            value: Any = getattr(item, name, None)
            if name in _IGNORED or value == [] or (value is None and not isinstance(item, ast.Constant)):
                continue
            if name == "body" and isinstance(value, list):
                value = _statements(value, isinstance(item, ast.ClassDef))
            elif name == "decorator_list":
                value = [decorator for decorator in value if not is_noise(decorator)]
            elif name == "values" and isinstance(item, ast.JoinedStr):
                value = _joined(value)
            if value == []:
                continue
            out.append(name)
            out.append("=")
            _write(value, out, is_noise)
            out.append(";")
        out.append(")")
    elif isinstance(item, list):
        out.append("[")
        for part in item:
            _write(part, out, is_noise)
            out.append(",")
        out.append("]")
    else:
        out.append(type(item).__name__)
        out.append(ascii(item))


def _statements(body: list[ast.stmt], is_class: bool) -> list[ast.stmt]:
    """Drop statements that do nothing; put the methods of a class in the order of their names."""
    kept = [
        item
        for item in body
        if not isinstance(item, ast.Pass)
        and not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))
    ]
    if not is_class:
        return kept
    methods = [item for item in kept if isinstance(item, _DEFINITIONS)]
    methods.sort(key=lambda item: item.name)  # stable: a property stays before its setter
    return [item for item in kept if not isinstance(item, _DEFINITIONS)] + list[ast.stmt](methods)


def _joined(values: Iterable[ast.expr]) -> list[ast.expr]:
    """Join the pieces of text in an f-string: versions of Python cut them differently."""
    joined: list[ast.expr] = []
    for value in values:
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            if not value.value:
                continue
            last = joined[-1] if joined else None
            if isinstance(last, ast.Constant):
                joined[-1] = ast.Constant(str(last.value) + value.value)
                continue
        joined.append(value)
    return joined
