"""MLflow's own client, pointed at a tracker for as long as it is asked something."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from ..connection import Connection
from ..inject import injection


@contextlib.contextmanager
def library(to: Connection, waiting: Callable[[str], None]) -> Iterator[None]:
    """Load MLflow and let it speak to a tracker with its credentials; everything is given back afterwards."""
    if "mlflow" not in sys.modules:
        waiting("loading MLflow ...")
    running = injection.connection
    injection.enter(running if running is not None and running == to else to, to.experiment_name or "Default")
    try:
        import mlflow  # noqa: F401

        yield
    finally:
        injection.leave()
