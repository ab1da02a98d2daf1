"""A throw-away project of a few modules, imported anew each time it is asked for its parts."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from mlxkit.pipelines.fingerprint import cache_key, code_parts

TRAIN = """
    import helpers
    from helpers import scale

    def train(x: float) -> float:
        return helpers.normalise(x) * scale(x)
"""
HELPERS = """
    from deep import floor

    FACTOR = 3

    def normalise(x):
        return floor(x) / 2

    def scale(x):
        return x * FACTOR

    def unrelated(x):
        return x
"""
DEEP = """
    class Base:
        limit = 1

    class Floor(Base):
        def apply(self, x):
            return max(x, self.limit)

    def floor(x):
        return Floor().apply(x)
"""


class Project:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.write(train=TRAIN, helpers=HELPERS, deep=DEEP)

    def write(self, **modules: str) -> None:
        """Write modules: `helpers` is helpers.py, `pkg__sub` is pkg/sub.py."""
        for name, source in modules.items():
            path = self.root / (name.replace("__", "/") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(source))

    def replace(self, module: str, old: str, new: str) -> None:
        path = self.root / f"{module}.py"
        before = path.read_text()
        assert old in before
        path.write_text(before.replace(old, new))

    def load(self, name: str = "train") -> Any:
        """Import a module as a new process would."""
        for loaded, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(str(self.root)):
                del sys.modules[loaded]
        sys.modules.pop(name, None)  # another test's file may have had the name
        importlib.invalidate_caches()
        return importlib.import_module(name)

    def parts(self, name: str = "train", function: str = "train") -> dict[str, str]:
        return code_parts(getattr(self.load(name), function), self.root)

    def key(self, name: str = "train", function: str = "train") -> str:
        return cache_key(self.parts(name, function))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Project(tmp_path)
    yield made
    for loaded, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[loaded]
