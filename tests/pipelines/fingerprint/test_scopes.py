"""Which names a piece of source takes from outside."""

from __future__ import annotations

import ast
import sys
from textwrap import dedent

import pytest

from mlxkit.pipelines.fingerprint.scopes import Imported, names_of


def free(source: str) -> set[str]:
    return {".".join(chain) for chain in names_of(ast.parse(dedent(source)).body).free}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(a, /, b, *c, d, **e): return a, b, c, d, e, g", "g"),
        ("def f(): x = 1; return x, y", "y"),
        ("def f(): return a.b.c.d, a.b().c", "a.b.c.d a.b"),
        ("def f(x=one, *, y=two) -> three: four: five = 1", "one two three five"),
        ("def f(): return [x for x in y if x in z]", "y z"),
        ("def f(): return {k: v for k, (v, *w) in y.items()}", "y.items"),
        ("def f():\n  return [x for x in x]", "x"),
        ("def f():\n  if any((hit := x) for x in y): return hit", "any y"),
        ("def f():\n  for a.b in c: pass\n  for d[e] in g: pass", "c d e g a.b"),
        ("def f():\n  with a() as b, c as (d, e): return b, d, e", "a c"),
        ("def f():\n  try: a()\n  except B as b: return b", "a B"),
        ("def f():\n  import os.path as p, sys\n  from a import b as c\n  return p, sys, c, q", "q"),
        ("def f():\n  global x\n  x = 1\n  def g():\n    return x\n  return g", "x"),
        ("def f():\n  x = 1\n  def g():\n    global x\n    return x.y\n  return g", "x.y"),
        ("def f():\n  x = 1\n  def g():\n    nonlocal x\n    x += 1\n    return y\n  return g", "y"),
        ("def f():\n  def g(): return h() + k()\n  def h(): pass\n  return g", "k"),
        ("def f(): return lambda x, y=z: x + y + w", "z w"),
        ("class C(A, metaclass=M):\n  x = a\n  y = x\n  def m(self): return x, b", "A M a x b"),
        ("def f():\n  class C:\n    def m(self): return C, D\n  return C", "D"),
        ("def f(x):\n  match x:\n    case {'k': v, **rest}: return v, rest\n    case [P(a), *b] as c: return a, b, c", "P"),
        ("def f():\n  del x\n  return y", "y"),
        ("@a(b)\n@c.d\ndef f(): pass", "a b c.d"),
        ("async def f():\n  async for x in y:\n    await z(x)", "y z"),
        ("def f(): return f'{a!r:>{b}}'", "a b"),
        ("x = lambda: y\nz[w] = 1", "y z w"),
        ("def f():\n  x: int\n  return x", "int"),
    ],
)  # fmt: skip
def test_names_from_outside_are_found_and_names_of_its_own_are_not(source: str, expected: str) -> None:
    assert free(source) == set(expected.split())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="this syntax is new in Python 3.12")
def test_type_parameters_are_names_of_its_own() -> None:
    assert free("def f[T: A](x: T) -> U: return T") == {"A", "U"}
    assert free("class C[T](B[T]):\n  x: T") == {"B"}
    assert free("def f():\n  type X = Y\n  return X") == {"Y"}


def imported(source: str) -> set[Imported]:
    return set(names_of(ast.parse(dedent(source)).body).imported)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("import a; a.b.c()", Imported(0, "a", ("b", "c"))),
        ("import a.b; a.b.c()", Imported(0, "a", ("b", "c"))),
        ("import a.b as x; x.c()", Imported(0, "a.b", ("c",))),
        ("import a.b", Imported(0, "a.b", ())),
        ("from a import b; b.c()", Imported(0, "a", ("b", "c"))),
        ("from . import b as x; x()", Imported(1, "", ("b",))),
        ("from ..a.b import c; [c for _ in ()]", Imported(2, "a.b", ("c",))),
        ("from a import b", Imported(0, "a", ("b",))),
        ("from a import b; g = lambda: b()", Imported(0, "a", ("b",))),
    ],
)
def test_imports_inside_a_function_are_uses_of_their_module(line: str, expected: Imported) -> None:
    assert imported(f"def f():\n    {line}") == {expected}
    assert imported(f"class C:\n    def f(self):\n        {line}") == {expected}
