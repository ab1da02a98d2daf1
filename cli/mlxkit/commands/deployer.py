"""`mlx deployer`."""

from __future__ import annotations

from .component import component_app

app = component_app("model_deployer")
