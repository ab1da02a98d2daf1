"""`mlx orchestrator`."""

from __future__ import annotations

from .component import component_app

app = component_app("orchestrator")
