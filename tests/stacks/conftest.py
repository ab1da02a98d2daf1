"""A project in the working directory, and the services on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.stacks.service import ComponentService, StackService


@pytest.fixture
def write() -> Callable[[str], Path]:
    """Write mlx.yaml; the services find it."""

    def write(text: str) -> Path:
        path = Path("mlx.yaml").absolute()
        path.write_text(text)
        return path

    return write


@pytest.fixture
def path(write: Callable[[str], Path]) -> Path:
    """A project with nothing in it."""
    return write("version: 1\n")


@pytest.fixture
def components(path: Path) -> ComponentService:
    return ComponentService()


@pytest.fixture
def stacks(path: Path) -> StackService:
    return StackService()
