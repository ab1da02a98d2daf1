"""How a server is started: the arguments, which everybody may see, and the environment, where the secrets are."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Mapping
from pathlib import Path

from ....secrets.children import without_secrets
from ....stacks.addresses import is_loopback
from ..serving.environment import serving_environment
from .allowed import security
from .entry import ADMIN, ServerEntry

AUTH_FILE = "auth.ini"
PASSWORD = "MLFLOW_AUTH_ADMIN_PASSWORD"  # noqa: S105 - the name of a variable
_CACHED = (
    3600  # seconds that a login is remembered; without that every call hashes the password again, 168 ms
)
_FINISHES_WITHIN = 10  # seconds
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# How MLflow reaches a bucket, and nothing that lets anybody in.
_KEPT = ("MLFLOW_S3_", "MLFLOW_GCS_", "MLFLOW_BOTO_", "MLFLOW_ARTIFACT_UPLOAD_")


def launch_environment() -> dict[str, str]:
    """Return the environment that a server's process is started with: no secret is in it yet."""
    kept = {name: value for name, value in without_secrets().items() if name.startswith(_KEPT)}
    return {**serving_environment(), **kept}


def server_environment(entry: ServerEntry, folder: Path, told: Mapping[str, str]) -> dict[str, str]:
    """Return what MLflow reads from its environment; `told` are `backend`, `secret_key` and at first `password`."""
    values = {
        "MLFLOW_BACKEND_STORE_URI": told["backend"],
        "MLFLOW_ARTIFACTS_DESTINATION": entry.artifacts,
        "MLFLOW_AUTH_CONFIG_PATH": str(folder / AUTH_FILE),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": told["secret_key"],
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes less
        **security(_hosts(entry), entry.port),
    }
    if told.get("password"):
        values[PASSWORD] = told["password"]
    return values


def server_arguments(entry: ServerEntry) -> list[str]:
    """Return the arguments of `mlflow server`; several workers would be slower, and forget logins apart."""
    options = [f"--timeout-graceful-shutdown {_FINISHES_WITHIN}", "--no-access-log"]
    if entry.certificate:
        options += [
            f"--ssl-certfile {shlex.quote(entry.certificate)}",
            f"--ssl-keyfile {shlex.quote(entry.key)}",
        ]
    return [
        "--app-name", "basic-auth", "--host", entry.host, "--port", str(entry.port), "--workers", "1",
        "--uvicorn-opts", " ".join(options),
    ]  # fmt: skip


def auth_file(database: str, *, cached: int = _CACHED) -> str:
    """Return the content of the file that MLflow's authentication is configured by; `database` is a URI."""
    return (
        "[mlflow]\n"
        "default_permission = READ\n"
        # a percent sign is special to the parser
        f"database_uri = {database.replace('%', '%%')}\n"
        f"admin_username = {ADMIN}\n"
        f"auth_cache_ttl_seconds = {cached}\n"
    )


def _hosts(entry: ServerEntry) -> list[str]:
    own = [_bracketed(own_name(entry.host))]
    return list(dict.fromkeys([*_LOOPBACK, *own, *entry.allowed_hosts]))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def is_every(host: str) -> bool:
    """Say whether a host stands for every address of this machine."""
    return host in ("0.0.0.0", "::")  # noqa: S104 - recognised, never chosen


def own_name(host: str) -> str:
    """Return the name by which others reach a server that listens there."""
    return socket.gethostname() if is_every(host) else host


def listens_beyond(host: str) -> bool:
    """Say whether others than this machine reach a server that listens there."""
    return not is_loopback(host)
