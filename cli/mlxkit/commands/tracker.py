"""`mlx tracker`."""

from __future__ import annotations

from .component import component_app
from .tracker_deploy import add_deploy
from .tracker_env import add_env
from .tracker_verbs import add_verbs

app = component_app("experiment_tracker")
add_verbs(app)
add_deploy(app)
add_env(app)
