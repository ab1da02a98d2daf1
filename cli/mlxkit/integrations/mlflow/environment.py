"""The environment of a step: what MLflow and a child process read from it, and nothing of it afterwards."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from ...stacks.addresses import is_loopback
from .client_environment import client_environment
from .connection import Connection

AUTH_PROVIDER = "mlx"
_PREFIXES = ("MLFLOW_", "_MLFLOW_", "DATABRICKS_")
_OTHERS = ("MLX_TRACKER", "MLX_CONFIG", "NO_PROXY", "no_proxy", "GIT_PYTHON_REFRESH")
# What would send MLflow elsewhere than the tracker says, or as somebody else.
_MISLEADING = (
    "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_INSECURE_TLS",
)  # fmt: skip
_QUIET = {
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_AGENT_HINT": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
# Four further attempts in half a minute, where MLflow's own seven would take four minutes to say that a server is gone.
_UNLESS_SET = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    "GIT_PYTHON_REFRESH": "quiet",
}


class EnvironmentGuard:
    """Remember every variable that concerns MLflow, and put it back as it was."""

    def __init__(self) -> None:
        self._before = _relevant()

    def restore(self) -> None:
        """Undo what happened since, whoever did it."""
        for name in set(_relevant()) - set(self._before):
            del os.environ[name]
        for name, value in self._before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


def apply(to: Connection, experiment_name: str) -> None:
    """Point MLflow, here and in child processes, at a tracker; a credential is only there where nothing else works."""
    for name in _MISLEADING:
        os.environ.pop(name, None)
    os.environ.update(_QUIET)
    for name, value in _UNLESS_SET.items():
        os.environ.setdefault(name, value)
    os.environ.update(
        {
            "MLFLOW_TRACKING_URI": to.tracking_uri,
            "MLX_TRACKER": to.name,
            "MLFLOW_EXPERIMENT_NAME": experiment_name,
        }
    )
    if to.registry_uri:
        os.environ["MLFLOW_REGISTRY_URI"] = to.registry_uri
    if to.insecure_tls:
        os.environ["MLFLOW_TRACKING_INSECURE_TLS"] = "true"
    if to.server_cert is not None:
        os.environ["MLFLOW_TRACKING_SERVER_CERT_PATH"] = str(to.server_cert.absolute())
    if to.scenario in ("local", "database"):
        # Where MLflow keeps artifacts of experiments that user code makes; its default is ./mlruns.
        os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = (to.folder / "artifacts").absolute().as_uri()
    elif to.scenario == "databricks":
        _apply_databricks(to)
    elif to.credentials.way != "none":
        os.environ["MLFLOW_TRACKING_AUTH"] = AUTH_PROVIDER
        _remember_configuration()
    _keep_proxies_away(to)


def point_at_run(run_id: str, experiment_id: str) -> None:
    """Let child processes join a run."""
    os.environ.pop("MLFLOW_EXPERIMENT_NAME", None)
    os.environ.update({"MLFLOW_RUN_ID": run_id, "MLFLOW_EXPERIMENT_ID": experiment_id})


def _apply_databricks(to: Connection) -> None:
    """Databricks' client library reads credentials from the environment and from nowhere else that we could fill."""
    for name in [name for name in os.environ if name.startswith("DATABRICKS_")]:
        del os.environ[name]
    found = client_environment(to)
    os.environ.update(
        {name: value for name, value in found.variables.items() if name.startswith("DATABRICKS_")}
    )
    os.environ.update(
        {name: value.reveal() for name, value in found.secrets.items() if name.startswith("DATABRICKS_")}
    )


def _remember_configuration() -> None:
    """Let a child process that works elsewhere find the same configuration, for the credentials."""
    from ...config.paths import find_project

    path = find_project().config_path
    if path.exists():
        os.environ["MLX_CONFIG"] = str(path)


def _keep_proxies_away(to: Connection) -> None:
    host = urlsplit(to.api_url).hostname or ""
    if not is_loopback(host):
        return
    for name in ("NO_PROXY", "no_proxy"):
        listed = os.environ.get(name, "")
        if host not in listed.split(","):
            os.environ[name] = f"{listed},{host}" if listed else host


def _relevant() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if name.startswith(_PREFIXES) or name in _OTHERS
    }
