"""mlxkit: stacks, secrets, tracked pipeline runs and models; the SDK behind the `mlx` command.

Names are imported when they are first used, so that `import mlxkit` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .client import Client
    from .pipelines.context import get_pipeline_context, get_step_context, log_metadata
    from .pipelines.decorators import pipeline, step
    from .pipelines.settings import StepRetryConfig

_HOMES = {
    "Client": "client",
    "pipeline": "pipelines.decorators",
    "step": "pipelines.decorators",
    "get_step_context": "pipelines.context",
    "get_pipeline_context": "pipelines.context",
    "log_metadata": "pipelines.context",
    "StepRetryConfig": "pipelines.settings",
}

__all__ = [
    "Client",
    "StepRetryConfig",
    "__version__",
    "get_pipeline_context",
    "get_step_context",
    "log_metadata",
    "pipeline",
    "step",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'mlxkit' has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
