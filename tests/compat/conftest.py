"""ZenML's imports, served for one test and forgotten afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxkit.compat import notes
from mlxkit.pipelines import guests
from mlxkit.pipelines.reporting import LineReporter
from mlxkit.pipelines.session import RunOptions, Session, use_session


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Leave neither the finder nor a served module behind."""
    yield
    if guests.GuestFinder in sys.meta_path:
        sys.meta_path.remove(guests.GuestFinder)  # type: ignore[arg-type]
    for name in [name for name in sys.modules if name.partition(".")[0] == "zenml"]:
        del sys.modules[name]
    notes.forget()


@pytest.fixture
def served() -> None:
    """Serve ZenML's imports, as `mlx run` does."""
    guests.serve_guests()


@pytest.fixture
def session(mlx: Callable[..., Any], served: None) -> Iterator[Session]:
    """The session of an `mlx run` in this process."""
    assert mlx("init").code == 0
    with use_session(Session(RunOptions(file=Path("run.py")), reporter=LineReporter())) as one:
        yield one
