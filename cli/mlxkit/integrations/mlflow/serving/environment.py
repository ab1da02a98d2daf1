"""The environment of a server: the caller's, without anything that opens a tracker or a secret."""

from __future__ import annotations

from ....secrets.children import without_secrets

_PREFIXES = ("MLFLOW_", "_MLFLOW_", "DATABRICKS_", "MLX_")
# What a model may be tuned with and nobody is let in by.
_KEPT = frozenset(("MLFLOW_SCORING_SERVER_REQUEST_TIMEOUT", "MLX_HOME"))
_OWN = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_DISABLE_AGENT_HINT": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}


def serving_environment() -> dict[str, str]:
    """Return the environment that a server and its workers run in."""
    kept = {
        name: value
        for name, value in without_secrets().items()
        if name in _KEPT or not name.startswith(_PREFIXES)
    }
    return {**kept, **_OWN}
