"""The names that a piece of source takes from outside itself, read from its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import NamedTuple

Chain = tuple[str, ...]
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Imported(NamedTuple):
    """A use of something that is imported inside a function: the module, and what is taken from it."""

    level: int
    module: str
    chain: Chain


class Names(NamedTuple):
    """What a piece of source takes from outside: dotted names, and imports of its own."""

    free: tuple[Chain, ...]
    imported: tuple[Imported, ...]


def names_of(nodes: Iterable[ast.AST]) -> Names:
    """Return the outside names of some statements or expressions, as if they stood in a module."""
    walk = _Walk()
    outside = _Scope()
    for node in nodes:
        walk.visit(node, outside)
    return Names(tuple(sorted({*outside.uses, *walk.of_module})), tuple(sorted(walk.imported, key=repr)))


class _Scope:
    """What is bound, and what is used, in one function, class or comprehension."""

    def __init__(
        self, parent: _Scope | None = None, *, is_class: bool = False, is_comprehension: bool = False
    ) -> None:
        self.parent = parent
        self.is_class = is_class
        self.is_comprehension = is_comprehension
        self.bound: set[str] = set()
        self.outer: set[str] = set()
        self.of_module: set[str] = set()
        self.imports: dict[str, Imported] = {}
        self.side_effects: dict[str, Imported] = {}
        self.used_imports: set[str] = set()
        self.uses: list[Chain] = []
        self.inner_uses: list[Chain] = []

    def bind(self, name: str) -> None:
        scope = self
        while scope.is_comprehension and scope.parent is not None:
            scope = scope.parent
        if name in scope.of_module:
            scope.uses.append((name,))
        elif name not in scope.outer:
            scope.bound.add(name)


class _Walk:
    def __init__(self) -> None:
        self.imported: set[Imported] = set()
        self.of_module: set[Chain] = set()

    def visit(self, node: ast.AST, scope: _Scope) -> None:
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                scope.uses.append((node.id,))
            elif scope.parent is not None:
                scope.bind(node.id)
        elif isinstance(node, ast.Attribute):
            self._attribute(node, scope)
        elif isinstance(node, _FUNCTIONS):
            self._function(node, scope)
        elif isinstance(node, ast.Lambda):
            self._defaults(node.args, scope)
            self._nested(scope, [node.body], node.args)
        elif isinstance(node, ast.ClassDef):
            self._class(node, scope)
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node, scope)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self._import(node, scope)
        elif isinstance(node, ast.Global):
            scope.of_module.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            scope.outer.update(node.names)
        else:
            for name in ("name", "rest"):  # what `except ... as`, `case ... as` and `**rest` bind
                bound = getattr(node, name, None)
                if isinstance(bound, str) and scope.parent is not None:
                    scope.bind(bound)
            for child in ast.iter_child_nodes(node):
                self.visit(child, scope)

    def _attribute(self, node: ast.Attribute, scope: _Scope) -> None:
        chain = [node.attr]
        base = node.value
        while isinstance(base, ast.Attribute):
            chain.append(base.attr)
            base = base.value
        if isinstance(base, ast.Name):
            scope.uses.append((base.id, *reversed(chain)))
        else:
            self.visit(base, scope)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: _Scope) -> None:
        if scope.parent is not None:
            scope.bind(node.name)
        for decorator in node.decorator_list:
            self.visit(decorator, scope)
        self._defaults(node.args, scope)
        with_types = self._type_parameters(node, scope)
        for annotation in (*(item.annotation for item in _parameters(node.args)), node.returns):
            if annotation is not None:
                self.visit(annotation, with_types)
        self._nested(with_types, node.body, node.args)
        if with_types is not scope:
            self._close(with_types, scope)

    def _class(self, node: ast.ClassDef, scope: _Scope) -> None:
        if scope.parent is not None:
            scope.bind(node.name)
        for decorator in node.decorator_list:
            self.visit(decorator, scope)
        with_types = self._type_parameters(node, scope)
        for part in (*node.bases, *(item.value for item in node.keywords)):
            self.visit(part, with_types)
        inside = _Scope(with_types, is_class=True)
        for statement in node.body:
            self.visit(statement, inside)
        self._close(inside, with_types)
        if with_types is not scope:
            self._close(with_types, scope)

    def _type_parameters(self, node: ast.AST, scope: _Scope) -> _Scope:
        """Return the scope in which `def f[T]` has its T, or the given one."""
        parameters = getattr(node, "type_params", None)
        if not parameters:
            return scope
        inside = _Scope(scope)
        for parameter in parameters:
            self.visit(parameter, inside)
        return inside

    def _comprehension(self, node: ast.AST, scope: _Scope) -> None:
        inside = _Scope(scope, is_comprehension=True)
        for index, generator in enumerate(node.generators):  # type: ignore[attr-defined]
            self.visit(generator.iter, inside if index else scope)
            for target in ast.walk(generator.target):
                if isinstance(target, ast.Name):
                    inside.bound.add(target.id)
                elif isinstance(target, ast.expr) and not isinstance(
                    target, (ast.Tuple, ast.List, ast.Starred)
                ):
                    self.visit(target, inside)
            for condition in generator.ifs:
                self.visit(condition, inside)
        for name in ("key", "value", "elt"):
            part = getattr(node, name, None)
            if part is not None:
                self.visit(part, inside)
        self._close(inside, scope)

    def _import(self, node: ast.Import | ast.ImportFrom, scope: _Scope) -> None:
        if scope.parent is None:
            return  # an import of the module itself: a name like any other
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                chain = () if alias.name == "*" else (alias.name,)
                local, what = alias.asname or alias.name, Imported(node.level, node.module or "", chain)
            elif alias.asname:
                local, what = alias.asname, Imported(0, alias.name, ())
            else:
                local = alias.name.partition(".")[0]
                what = Imported(0, local, ())
            scope.imports[local] = what
            scope.side_effects[local] = Imported(0, alias.name, ()) if isinstance(node, ast.Import) else what

    def _defaults(self, arguments: ast.arguments, scope: _Scope) -> None:
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.visit(default, scope)

    def _nested(self, scope: _Scope, body: Iterable[ast.AST], arguments: ast.arguments) -> None:
        inside = _Scope(scope)
        inside.bound.update(item.arg for item in _parameters(arguments))
        for statement in body:
            self.visit(statement, inside)
        self._close(inside, scope)

    def _close(self, inside: _Scope, scope: _Scope) -> None:
        """Hand what a scope does not define itself to the one around it."""
        own = [chain for chain in inside.uses if self._is_outside(chain, inside)]
        nested = inside.inner_uses
        if not inside.is_class:  # names of a class body are not seen by its methods
            nested = [chain for chain in nested if self._is_outside(chain, inside)]
        self.imported.update(
            what for local, what in inside.side_effects.items() if local not in inside.used_imports
        )
        is_at_once = inside.is_comprehension or scope.parent is None
        (scope.uses if is_at_once else scope.inner_uses).extend(own + nested)

    def _is_outside(self, chain: Chain, scope: _Scope) -> bool:
        name = chain[0]
        if name in scope.of_module:
            self.of_module.add(chain)
            return False
        if name in scope.imports:
            what = scope.imports[name]
            scope.used_imports.add(name)
            self.imported.add(Imported(what.level, what.module, what.chain + chain[1:]))
            return False
        return name not in scope.bound


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return found + [item for item in (arguments.vararg, arguments.kwarg) if item is not None]
