"""The normal form of source."""

from __future__ import annotations

import ast

import pytest

from mlxkit.pipelines.fingerprint import normal


def form(source: str) -> str:
    return normal.text(ast.parse(source), lambda _: False)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x=1", "x   =  1 # comment"),
        ("x = 'a'", 'x = "a"'),
        ("x = u'a'", "x = 'a'"),
        ("x = 'a' 'b'", "x = 'ab'"),
        ("x = f'a' f'{y}' 'b'", "x = f'a{y}b'"),
        ("x = f'{y!r:>{w}}' ''", "x = f'{y!r:>{w}}'"),
        ("x = 0x10", "x = 16"),
        ("x = (1,\n2,\n)", "x = 1, 2"),
        ("def f():\n    'doc'\n    return 1", "def f():\n    return 1"),
        ("def f():\n    'doc'", "def f():\n    pass"),
        ("class C:\n    'doc'\n    x = 1", "class C:\n    x = 1"),
        ("if a:\n    pass\n    b()", "if a:\n    b()"),
        (
            "class C:\n    def a(self): ...\n    def b(self): ...",
            "class C:\n    def b(self): ...\n    def a(self): ...",
        ),
    ],
)
def test_source_that_does_the_same_has_one_form(one: str, other: str) -> None:
    assert form(one) == form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("x = None", "x = 'None'"),
        ("x = y", "x = 'y'"),
        ("f(a, b)", "f((a, b))"),
        ("f(a=b)", "f(*a, **b)"),
        ("x[1:]", "x[:1]"),
        ("x[None:1]", "x[:1]"),
        ("def f(a, /, b): g()", "def f(a, b, /): g()"),
        ("def f(a, *, b): g()", "def f(a, b): g()"),
        ("def f(*, a, b=1): g()", "def f(*, a=1, b): g()"),
        ("async def f(): g()", "def f(): g()"),
        ("if a:\n    b()\nelse:\n    c()", "if a:\n    b()\nc()"),
        ("{**a, 'b': 1}", "{'b': 1, **a}"),
        ("f'{a!r}'", "f'{a!s}'"),
        ("f'{a}'", "f'{a:}b'"),
        ("x = 'ab'", "x = 'a', 'b'"),
        ("from a import b", "from .a import b"),
        ("class C:\n    a = 1\n    b = a", "class C:\n    b = a\n    a = 1"),
        ("class C:\n    @property\n    def a(self): b()\n    @a.setter\n    def a(self, v): c()", "class C:\n    @property\n    def a(self): c()\n    @a.setter\n    def a(self, v): b()"),
        ("return_ = yield_", "return_ = (yield_,)"),
        ("lambda: x", "lambda: (yield x)"),
        ("for x in y:\n    f()\nelse:\n    g()", "for x in y:\n    f()\n    g()"),
        ("x: int", "x: int = 0"),
        ("try:\n    f()\nexcept A:\n    g()", "try:\n    f()\nexcept B:\n    g()"),
    ],
)  # fmt: skip
def test_source_that_does_something_else_has_another_form(one: str, other: str) -> None:
    assert form(one) != form(other)


_EVERYTHING = '''
@decorator(option=1)
async def f(a: int, /, b=2, *args: str, c, d=None, **kw) -> list[int]:
    """Doc.

    More.
    """
    global counter
    x = y = 0x_ff + 1.5e300 - 1j + len(b"\\xff\\n") if a else ...
    z: int = not -a ** ~b @ c
    counter += 1
    text = f"a{x!r:>{d}}b{{}}" "c" f"{y=}" + "\\u200b\\U0001F600é"
    async with open(x) as g, other:
        await g
    match x:
        case {"k": [1, *rest], **more} | Point(x=0) as p if p: ...
        case None | "s": pass
    try:
        del x[1:2, ..., ::3]
    except (A, B) as e:
        raise C from e
    finally:
        assert not x, "why"
    while (n := next(i)) and 1 < n <= 3 or x is not None:
        continue
    lambda p, /, q=1, *, r: (yield p)
    return [v async for v in w if v for u in v], {k: v for k, v in x}, {*a, 1}, {**kw, "k": 1}, (1,), *a
class K(Base, metaclass=M):
    b: int = 1
    def second(self): nonlocal_ = 1
    def first(self): return super().first()
'''


def test_the_form_is_the_same_in_every_version_of_python() -> None:
    tree = ast.parse(_EVERYTHING)
    expected = "60ef709ad74db41b63489ecb3d2c9b390b42296a7f1d7a4d92afe13ab63789dd"
    assert normal.digest(tree, lambda _: False) == expected
