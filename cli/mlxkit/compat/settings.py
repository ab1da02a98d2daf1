"""Settings for machinery that a local orchestrator does not have: they are accepted, and said to have no effect."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from ..pipelines.settings import is_tracker_flavor
from .notes import note

# Keys of `settings=` that speak of where and in what a step runs.
NO_EFFECT = {
    "docker": "steps run in this Python, not in a container",
    "orchestrator": "the local orchestrator has no settings",
    "step_operator": "steps run on this machine",
    "image_builder": "no image is built",
    "deployment": "mlx model deploy serves models",
}


class WithoutEffect:
    """Keeps what it is given, as attributes."""

    key = ""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({inside})"


class DockerSettings(WithoutEffect):
    """How an image would be built."""

    key = "docker"


class PythonPackageInstaller(str, Enum):
    """Who would install packages in an image."""

    PIP = "pip"
    UV = "uv"


def with_effect(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings that mean something here, and say once of each of the others why it does not."""
    kept = {}
    for key, value in dict(settings or {}).items():
        kind, _, flavor = key.partition(".")
        if kind in NO_EFFECT:
            note(f"settings {key!r} have no effect: {NO_EFFECT[kind]}")
        elif kind == "experiment_tracker" and flavor and not is_tracker_flavor(flavor):
            note(f"settings {key!r} have no effect: there is no experiment tracker of flavor {flavor!r}")
        else:
            kept[key] = value
    return kept
