"""`mlx experiment-tracker`: ZenML's spelling of `mlx tracker`."""

from __future__ import annotations

from .tracker import app as app
