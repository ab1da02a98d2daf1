"""A server with PostgreSQL as a Compose project; secrets are named in it and never written."""

from __future__ import annotations

import shlex
from typing import Any

from .image import (
    DATABASE,
    DATABASE_READY,
    FOLDER,
    POSTGRES,
    SECRET_ENVIRONMENT,
    Served,
    public_environment,
    server_command,
)

_PORT = 5000  # inside
_HEALTHY = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/health', timeout=3)"


def compose_project(served: Served) -> dict[str, Any]:
    """Return the content of `compose.yaml`."""
    volumes: dict[str, Any] = {"database": {}} if served.artifacts else {"database": {}, "artifacts": {}}
    keys = SECRET_ENVIRONMENT.values()
    return {
        "name": served.label,
        "services": {"database": _database(), "server": _server(served)},
        "volumes": volumes,
        "configs": {"auth": {"file": "./auth.ini"}},
        "secrets": {key: {"environment": variable(key)} for key in keys},
    }


def variable(key: str) -> str:
    """Return the variable that `docker compose up` takes a secret from."""
    return f"SERVER_{key.upper()}"


def _database() -> dict[str, Any]:
    return {
        "image": POSTGRES,
        "restart": "unless-stopped",
        "environment": {
            "POSTGRES_USER": DATABASE,
            "POSTGRES_DB": DATABASE,
            "POSTGRES_PASSWORD_FILE": "/run/secrets/database_password",
        },
        "secrets": ["database_password"],
        "volumes": ["database:/var/lib/postgresql/data"],
        "security_opt": ["no-new-privileges:true"],
        "healthcheck": _healthcheck(["CMD", *DATABASE_READY]),
    }


def _server(served: Served) -> dict[str, Any]:
    exports = "; ".join(
        f'export {name}="$$(cat /run/secrets/{key})"' for name, key in SECRET_ENVIRONMENT.items()
    )
    command = shlex.join(server_command(served, "database", _PORT)).replace("$", "$$")
    service: dict[str, Any] = {
        "build": ".",
        "image": served.image,
        "restart": "unless-stopped",
        "depends_on": {"database": {"condition": "service_healthy"}},
        "entrypoint": ["/bin/sh", "-ec"],
        "command": [f"{exports}; exec {command}"],
        "environment": public_environment(served, served.port, "server"),
        "secrets": list(SECRET_ENVIRONMENT.values()),
        "configs": [{"source": "auth", "target": "/etc/mlflow/auth.ini"}],
        "ports": [f"127.0.0.1:{served.port}:{_PORT}"],
        "volumes": [] if served.artifacts else [f"artifacts:{FOLDER}"],
        "tmpfs": ["/tmp"],  # noqa: S108
        # Not read_only: Compose copies secrets that come from the environment into the container.
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "healthcheck": _healthcheck(["CMD", "python", "-c", _HEALTHY]),
    }
    return {key: value for key, value in service.items() if value != []}


def _healthcheck(test: list[str]) -> dict[str, Any]:
    return {"test": test, "interval": "10s", "timeout": "5s", "retries": 12, "start_period": "60s"}
