"""A project folder with a stack that has no tracker, and a way to write pipeline files into it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def project(home: Path) -> Path:
    """A project whose only stack has a store and an orchestrator, and no tracker."""
    folder = Path.cwd()
    (folder / "mlx.yaml").write_text("version: 1\nstacks:\n  plain: {}\n")
    return folder


@pytest.fixture
def write(project: Path) -> Callable[..., Path]:
    """Write a file of the project: `write("p.py", "...")`."""

    def make(name: str, text: str) -> Path:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return make
