"""What `mlx run` serves from the cache when what a step reaches holds state."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from mlxkit import Client

Run = Callable[..., tuple[str, str]]

HEAD = "import sys\nfrom mlxkit import pipeline, step\nV = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0\n"
TAIL = "\n@pipeline\ndef p():\n    print('got', train().load())\nif __name__ == '__main__':\n    p()\n"


@pytest.fixture
def run(mlx_process: list[str]) -> Run:
    Path("mlx.yaml").write_text("version: 1\n")

    def call(*arguments: str, source: str = "") -> tuple[str, str]:
        if source:
            Path("t.py").write_text(HEAD + dedent(source) + TAIL)
        done = subprocess.run(
            [*mlx_process, "run", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": "random"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip(), done.stderr

    return call


@pytest.mark.parametrize(
    ("setup", "use"),
    [
        ("import argparse\nK = argparse.ArgumentParser()\nK.add_argument('--lr', type=float)\nK = K.parse_args(['--lr', str(V)])", "K.lr"),
        ("from types import SimpleNamespace\nK = SimpleNamespace(lr=V)", "K.lr"),
        ("from collections import defaultdict\nK = defaultdict(float)\nK['lr'] = V", "K['lr']"),
        ("from collections import Counter\nK = Counter()\nK['lr'] = V", "K['lr']"),
        ("from collections import deque\nK = deque([V], 3)", "K[0]"),
        ("class D(dict): pass\nK = D(lr=V)", "K['lr']"),
        ("class L(list): pass\nK = L([V])", "K[0]"),
        ("class F(float): pass\nK = F(V)", "float(K)"),
        ("from types import MappingProxyType\nK = MappingProxyType({'lr': V})", "K['lr']"),
        ("class C:\n  def __init__(self, v): self.v = v\nK = C(V)", "K.v"),
        ("class C: pass\nK = C()\nK.v = V", "K.v"),
        ("class C:\n  __slots__ = ('v',)\nK = C()\nK.v = V", "K.v"),
        ("class C:\n  def __init__(self): self.v = V\n  def get(self): return self.v\nK = C().get", "K()"),
        ("K = [V].copy", "K()[0]"),
        ("def g(): return g.v\ng.v = V", "g()"),
        ("class C: v = 0.0\nC.v = V", "C.v"),
        ("class C: items = []\nC.items.append(V)", "C.items[0]"),
        ("class C:\n  @staticmethod\n  def get(): return 0.0\nclass E:\n  v = V\n  def get(self): return self.v\nC.inner = E()\nE.v = V", "C.inner.get()"),
        ("import functools\nclass C:\n  def get(self): return self.v\nC.v = 0\nK = C()\nK.v = V\nK = functools.partial(K.get)", "K()"),
        ("import functools\nclass deco:\n  def __init__(self, f): functools.update_wrapper(self, f)\n  def __call__(self): return self.v\n@deco\ndef g(): return 0\ng.v = V", "g()"),
        ("import threading\nK = threading.local()\nK.v = V", "K.v"),
        ("import contextvars\nK = contextvars.ContextVar('k')\nK.set(V)", "K.get()"),
        ("class C:\n  def m(self): return self.m.v\nC.m.v = V", "C().m()"),
        ("class C:\n  def m(self, x=[]): return x[0]\nC.m.__defaults__[0].append(V)", "C().m()"),
        ("import functools\nclass C:\n  @functools.singledispatchmethod\n  def f(self, x): return 0\nC.__dict__['f'].register(int, (lambda v: lambda self, x: v)(V))", "C().f(1)"),
        ("from sklearn.linear_model import Ridge\nK = Ridge()\nK.set_params(alpha=V)", "K.alpha"),
        ("class E(Exception): pass\nK = E(V)", "K.args[0]"),
        ("from typing import NamedTuple\nclass N(NamedTuple):\n  v: float\nK = N(V)", "K.v"),
        ("import scipy.sparse as sp\nK = sp.csr_matrix([[V]])", "float(K[0, 0])"),
        ("class N: pass\nroot = N()\nroot.up = None\nfor i in range(9):\n  n = N()\n  n.up = root\n  setattr(root, f'c{i}', n)\nroot.c4.v = V", "root.c2.up.c4.v"),
        ("def f(x=[]): return x[0]\nf.__defaults__[0].append(V)", "f()"),
        ("K = list(range(300_000))\nK[7] = V", "float(K[7])"),
    ],
)  # fmt: skip
def test_state_that_comes_from_the_command_line_is_never_served_stale(run: Run, setup: str, use: str) -> None:
    source = f"{setup}\n@step\ndef train() -> float:\n    return {use}\n"
    found = [run("t.py", "--", value, source=source) for value in ("0.1", "0.5", "0.1")]
    assert [out.splitlines()[-1] for out, _ in found] == ["got 0.1", "got 0.5", "got 0.1"]
    assert "cached" in found[2][1], found[2][1]


@pytest.mark.parametrize(
    ("setup", "use"),
    [
        ("class R:\n  items = {}\n  @classmethod\n  def add(cls, f):\n    cls.items['g'] = f\n    return f\n@R.add\ndef g(): return BODY", "R.items['g']()"),
        ("import functools\n@functools.singledispatch\ndef g(x): return 0.0\n@g.register\ndef _(x: int): return BODY", "g(1)"),
        ("class C: pass\ndef g(self): return BODY\nC.m = g", "C().m()"),
        ("class C: pass\nK = C()\nK.hook = lambda: BODY", "K.hook()"),
    ],
)  # fmt: skip
def test_code_that_is_registered_counts(run: Run, setup: str, use: str) -> None:
    source = f"{setup}\n@step\ndef train() -> float:\n    return {use}\n"
    found = [run("t.py", source=source.replace("BODY", body)) for body in ("1.0", "2.0", "1.0")]
    assert [out.splitlines()[-1] for out, _ in found] == ["got 1.0", "got 2.0", "got 1.0"]
    assert "cached" in found[2][1]


def test_state_that_changes_within_a_run_is_seen(run: Run) -> None:
    Path("s.py").write_text(
        "from mlxkit import pipeline, step\nclass O: pass\no = O()\n@step\ndef ko() -> int:\n    return o.v\n@pipeline\ndef p():\n    for o.v in (1, 2, 1):\n        print(ko().load())\n"
    )
    assert run("s.py")[0].split() == ["1", "2", "1"]


def test_the_order_of_a_dictionary_counts(run: Run) -> None:
    Path("s.py").write_text(
        "from mlxkit import pipeline, step\n@step\ndef first(d: dict) -> str:\n    return next(iter(d))\n@pipeline\ndef p():\n    print(first({'b': 1, 'a': 2}).load(), first({'a': 2, 'b': 1}).load())\n"
    )
    assert run("s.py")[0] == "b a"


def test_an_object_of_the_script_is_the_same_run_or_imported(run: Run) -> None:
    source = "class C:\n  def __init__(self): self.v = 1.0\nK = {'k': [C()]}\n@step\ndef train() -> float:\n    return K['k'][0].v\n"
    run("t.py", source=source)
    assert "cached" in run("t.py:p")[1]


@pytest.mark.parametrize(
    ("setup", "says"),
    [
        ("import sqlite3\nK = sqlite3.connect(':memory:')", "it is a sqlite3.Connection"),
        ("K = open(__file__)", "it is a _io.TextIOWrapper"),
        ("class N: pass\nK = n = N()\nfor i in range(3000):\n  n.n = N()\n  n = n.n", "it holds too much to look at"),
        ("K = [(i for i in (1, 2))]", "it holds a generator"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_never_served_and_it_is_said(run: Run, setup: str, says: str) -> None:
    source = f"{setup}\n@step\ndef train() -> float:\n    return float(K is not None)\n"
    run("t.py", source=source)
    _, told = run("t.py", source=source)
    assert "cached" not in told
    record = Client().get_pipeline_run("latest").steps["train"].record
    assert record.reason == f"constant `K` cannot be compared: {says}"


@pytest.mark.parametrize(
    "setup",
    [
        "import logging\nK = logging.getLogger(__name__)\nK.addHandler(logging.StreamHandler())", "import threading\nK = threading.RLock()",
        "K = object()", "import re\nK = re.compile('a')", "from pathlib import Path\nK = Path('a') / 'b'", "import enum\nclass E(enum.Flag):\n  A = 1\n  B = 2\nK = E.A | E.B",
        "import sys\nK = sys.stderr", "import os\nK = os.environ", "from typing import Annotated, Optional, TypeVar\nK = [Annotated[int, 'x'], Optional[int], TypeVar('T'), int | None]",
        "from decimal import Decimal\nfrom datetime import datetime, timezone\nK = (Decimal('1.0'), datetime(2024, 1, 1, tzinfo=timezone.utc))",
        "import numpy as np\nK = [np.dtype('f4'), np.float32(1), np.array([{'a': 1}], dtype=object), np.random.default_rng(3), np.add]",
        "import pandas as pd\nK = [pd.DataFrame({'a': [1, {'b': 2}]}), pd.Timestamp('2024-01-01'), pd.Index([1])]",
        "from sklearn.pipeline import make_pipeline\nfrom sklearn.linear_model import Ridge\nfrom sklearn.preprocessing import StandardScaler\nK = make_pipeline(StandardScaler(), Ridge())",
        "from mlflow import MlflowClient\nK = MlflowClient()", "import requests\nK = requests.Session()", "from rich.console import Console\nK = Console()",
        "from concurrent.futures import ThreadPoolExecutor\nK = ThreadPoolExecutor(2)", "import abc\nclass C(abc.ABC):\n  @abc.abstractmethod\n  def f(self): ...\nK = C",
        "import pydantic\nclass C(pydantic.BaseModel):\n  a: int = 1\nK = C()", "import argparse\nK = argparse.ArgumentParser()", "import random\nK = random.Random(1)",
        "import functools\nclass C:\n  @functools.cached_property\n  def p(self): return 1\nK = C()", "K = {'a', 'b', 'c', ('d', None)}",
    ],
)  # fmt: skip
def test_what_ordinary_scripts_hold_does_not_keep_a_step_from_the_cache(run: Run, setup: str) -> None:
    source = f"{setup}\n@step\ndef train() -> float:\n    return float(K is not None)\n"
    run("t.py", source=source)
    assert "cached" in run("t.py", source=source)[1]
