"""mlxkit: stacks, secrets, tracked pipeline runs and models; the SDK behind the `mlx` command.

Names are imported when they are first used, so that `import mlxkit` costs nothing.
"""

from __future__ import annotations

from ._version import __version__

TYPE_CHECKING = False  # of our own: importing `typing` costs a third of what a TAB may cost
if TYPE_CHECKING:
    from typing import Any

    from .client import Client
    from .pipelines.context import get_pipeline_context, get_step_context, log_metadata
    from .pipelines.decorators import pipeline, step
    from .pipelines.models import Model
    from .pipelines.named import load_artifact, save_artifact
    from .pipelines.outputs import ArtifactConfig
    from .pipelines.resources import ResourceSettings
    from .pipelines.settings import StepRetryConfig

_HOMES = {
    "Client": "client",
    "pipeline": "pipelines.decorators",
    "step": "pipelines.decorators",
    "get_step_context": "pipelines.context",
    "get_pipeline_context": "pipelines.context",
    "log_metadata": "pipelines.context",
    "StepRetryConfig": "pipelines.settings",
    "ArtifactConfig": "pipelines.outputs",
    "ResourceSettings": "pipelines.resources",
    "Model": "pipelines.models",
    "load_artifact": "pipelines.named",
    "save_artifact": "pipelines.named",
}

__all__ = [
    "ArtifactConfig",
    "Client",
    "Model",
    "ResourceSettings",
    "StepRetryConfig",
    "__version__",
    "get_pipeline_context",
    "get_step_context",
    "load_artifact",
    "log_metadata",
    "pipeline",
    "save_artifact",
    "step",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'mlxkit' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
