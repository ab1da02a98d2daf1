"""The image that Docker and Kubernetes run a server from: versions are pinned, nobody in it is root."""

from __future__ import annotations

import re

from ....dataclass import dataclass
from ....errors import UsageError
from ..local_store import installed_version
from .allowed import security
from .places import packages_for

PYTHON = "python:3.12.11-slim-bookworm"
POSTGRES = "postgres:17.6-bookworm"
USER = 1000
POSTGRES_USER = 999  # of that image
DATABASE = "mlflow"
# Over TCP, where nothing listens yet while the image makes the database with a server for itself.
DATABASE_READY = ("pg_isready", "-h", "127.0.0.1", "-U", DATABASE, "-d", DATABASE)
FOLDER = "/mlflow"
_LONGEST = 36  # characters: Kubernetes puts the name of a StatefulSet and eleven more into a label of 63
_DRIVER = "psycopg2-binary==2.9.10"
_IMAGE = re.compile(r"[a-z0-9]+([._/:-]+[A-Za-z0-9]+)*(@sha256:[0-9a-f]{64})?")


@dataclass(frozen=True)
class Served:
    """What is written down: `name` fits both systems, `secret` is ours with the passwords."""

    name: str
    secret: str
    image: str
    artifacts: str
    allowed_hosts: tuple[str, ...]
    port: int = 5000
    namespace: str = ""
    storage: str = "10Gi"

    @property
    def label(self) -> str:
        """The name of the project and of its objects."""
        return f"mlflow-{label_of(self.name)}"


def label_of(name: str) -> str:
    """Return a name in small letters, digits and hyphens, as both systems want it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST].rstrip("-")


def image_name(given: str | None, label: str) -> str:
    """Return the name of the image, or refuse what is none."""
    name = given or f"{label}:{installed_version()}"
    if not _IMAGE.fullmatch(name):
        raise UsageError(f"-x image={name}: it is written NAME:TAG, or HOST/NAME:TAG")
    return name


def dockerfile(artifacts: str) -> str:
    """Return the Dockerfile; a bucket brings the packages that it needs."""
    packages = [f"mlflow[auth]=={installed_version()}", _DRIVER, *packages_for(artifacts).split()]
    quoted = " ".join(f"'{package}'" for package in packages)
    return (
        f"FROM {PYTHON}\n"
        f"RUN pip install --no-cache-dir {quoted} \\\n"
        f"    && useradd --uid {USER} --no-create-home mlflow && mkdir {FOLDER} && chown mlflow {FOLDER}\n"
        f"USER {USER}\n"
        f"WORKDIR {FOLDER}\n"
    )


def public_environment(served: Served, port: int, *own: str) -> dict[str, str]:
    """Return the variables that are no secret; `own` are names that the system itself gives the server."""
    names = dict.fromkeys(("localhost", "127.0.0.1", *own, *served.allowed_hosts))
    return {**_ENVIRONMENT, **security(list(names), port)}


def server_command(served: Served, database: str, port: int) -> list[str]:
    """Return the command line of the server; the password of the database comes from the environment."""
    return [
        "mlflow", "server", "--app-name", "basic-auth", "--host", "0.0.0.0", "--port", str(port), "--workers", "1",  # noqa: S104
        "--backend-store-uri", f"postgresql+psycopg2://{DATABASE}@{database}:5432/{DATABASE}",
        "--artifacts-destination", served.artifacts or f"{FOLDER}/artifacts",
    ]  # fmt: skip


_ENVIRONMENT = {
    "MLFLOW_AUTH_CONFIG_PATH": "/etc/mlflow/auth.ini",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HOME": "/tmp",  # noqa: S108 - the only place in the container that can be written to
}
# The variables that secrets go to, and the keys of our secret that they come from.
SECRET_ENVIRONMENT = {
    "MLFLOW_AUTH_ADMIN_PASSWORD": "password",
    "MLFLOW_FLASK_SERVER_SECRET_KEY": "secret_key",
    "PGPASSWORD": "database_password",
}
