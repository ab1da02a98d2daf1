"""The values that a step reaches."""

from __future__ import annotations

import pytest

from .conftest import Project


def keys(project: Project, *lines: str, reset: str = "") -> list[str]:
    found = []
    for line in lines:
        project.write(train=f"{reset}\n{line}\ndef train():\n    return K\n")
        found.append(project.key())
    return found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("K = 1", "K = 1.0"), ("K = 1", "K = True"), ("K = '1'", "K = b'1'"), ("K = [1, 2]", "K = (1, 2)"), ("K = {'a': 1}", "K = {'a': 2}"), ("K = {'a': 1, 'b': 2}", "K = {'b': 2, 'a': 1}"),
        ("K = {'a': [1, {'b': 2}]}", "K = {'a': [1, {'b': 3}]}"), ("K = None", "K = False"), ("K = 1 + 1", "K = 1 + 2"),
        ("import numpy as np; K = np.arange(3)", "import numpy as np; K = np.arange(4)"),
        ("import numpy as np; K = np.float32(1)", "import numpy as np; K = np.float64(1)"),
        ("import pandas as pd; K = {'f': pd.DataFrame({'a': [1]})}", "import pandas as pd; K = {'f': pd.DataFrame({'a': [2]})}"),
        ("from sklearn.linear_model import Ridge; K = Ridge(alpha=1)", "from sklearn.linear_model import Ridge; K = Ridge(alpha=2)"),
        ("import enum\nclass E(enum.Enum):\n  A = 1\nK = E.A", "import enum\nclass E(enum.Enum):\n  A = 2\nK = E.A"),
        ("import re; K = re.compile('a')", "import re; K = re.compile('b')"),
        ("class C:\n  def __init__(self, x): self.x = x\nK = C(1)", "class C:\n  def __init__(self, x): self.x = x\nK = C(2)"),
        ("class C:\n  def m(self): return 1\nK = C()", "class C:\n  def m(self): return 2\nK = C()"),
        ("class C:\n  def m(self): return 1\nK = [{'c': C()}]", "class C:\n  def m(self): return 2\nK = [{'c': C()}]"),
        ("from dataclasses import dataclass\n@dataclass\nclass C:\n  x: int\nK = C(1)", "from dataclasses import dataclass\n@dataclass\nclass C:\n  x: int\nK = C(2)"),
        ("K = list(range(200_000))", "K = list(range(200_001))"), ("N = 1\nK = object() if N else 0", "N = 2\nK = object() if N else 0"),
    ],
)  # fmt: skip
def test_a_value_that_differs_changes_the_key(project: Project, one: str, other: str) -> None:
    first, second, again = keys(project, one, other, one)
    assert first != second
    assert first == again


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("K = {1, 2, 3}", "K = {3, 2, 1}"), ("K = 2", "K = 1 + 1"),
        ("import threading; K = threading.Lock()", "import threading; K = threading.Lock( )  # same"),
        ("import logging; K = logging.getLogger('a')", "import logging\n\nK = logging.getLogger('a')"),
        ("from mlxkit.secrets.value import SecretValue as S; V = 'hunter2-one'; K = S(V)", "from mlxkit.secrets.value import SecretValue as S; V = 'hunter2-two'; K = S(V)"),
    ],
)  # fmt: skip
def test_a_value_that_is_the_same_in_effect_does_not(project: Project, one: str, other: str) -> None:
    first, second = keys(project, one, other)
    assert first == second


def test_a_secret_is_not_part_of_anything(project: Project) -> None:
    project.write(
        train="from mlxkit.secrets.value import SecretValue\nTOKEN = SecretValue('hunter2-x')\nBOTH = {'t': TOKEN, 'n': 1}\ndef train():\n    return TOKEN, BOTH\n"
    )
    before = project.parts()
    assert set(before) == {"step", "constant train.BOTH"}
    project.replace("train", "hunter2-x", "hunter2-y")
    assert project.parts() == before


def test_functions_in_tables_are_followed(project: Project) -> None:
    project.write(
        train="def a():\n    return 1\nclass B:\n    def m(self):\n        return 1\nK = {'a': a, 'b': [B, (B().m,)], 'len': len}\ndef train(name):\n    return K[name]()\n"
    )
    assert {"function train.a", "class train.B", "constant train.K"} < set(project.parts())


def test_a_value_that_contains_itself_ends(project: Project) -> None:
    project.write(train="K = []\nK.append(K)\ndef train():\n    return K\n")
    assert "constant train.K" in project.parts()


def test_a_default_that_is_computed_counts_by_its_value(project: Project) -> None:
    source = "def options():\n    return [lambda i=i: i for i in ({},)]\nF = options()[0]\ndef train():\n    return F()\n"
    project.write(train=source.format(1))
    before = project.parts()
    project.write(train=source.format(2))
    assert {name for name in before if before[name] != project.parts()[name]} >= {"constant train.<lambda>.i"}


@pytest.mark.parametrize(
    "body",
    [
        "def __getattr__(self, name): raise RuntimeError(name)",
        "def __repr__(self): raise RuntimeError\n  __len__ = __iter__ = __bool__ = __hash__ = __repr__",
        "__dict__ = property(lambda self: 1 / 0)",
        "__class__ = property(lambda self: 1 / 0)",
        "def __getstate__(self): raise RuntimeError",
    ],
)
def test_an_object_that_refuses_to_be_looked_at_does_not_stop_a_run(project: Project, body: str) -> None:
    source = "class Evil:\n  {}\nK = Evil()\nL = [Evil()]\ndef train():\n    return K, L, {}\n"
    project.write(train=source.format(body, 1))
    assert "class train.Evil" in project.parts()
    project.write(
        train="from collections.abc import Mapping\nclass Evil(Mapping):\n  def __getitem__(self, k): raise RuntimeError\n  __iter__ = __len__ = __getitem__\nK = Evil()\ndef train():\n    return K\n"
    )
    assert "class train.Evil" in project.parts()
    project.write(
        train="class Meta(type):\n  def __getattr__(cls, name): return 1\nclass Evil(metaclass=Meta): pass\nK = Evil()\ndef train():\n    return K\n"
    )
    assert {"class train.Evil", "class train.Meta"} < set(project.parts())
