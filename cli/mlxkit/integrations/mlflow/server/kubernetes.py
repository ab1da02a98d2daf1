"""A server with PostgreSQL as Kubernetes objects; they refer to a secret that is not among them."""

from __future__ import annotations

from typing import Any

from .image import (
    DATABASE,
    DATABASE_READY,
    FOLDER,
    POSTGRES,
    POSTGRES_USER,
    SECRET_ENVIRONMENT,
    USER,
    Served,
    public_environment,
    server_command,
)

_PORT = 5000
_TMP = "/tmp"  # noqa: S108
Object = dict[str, Any]


def manifests(served: Served, auth_ini: str) -> list[Object]:
    """Return the objects in the order in which they are applied."""
    found = [_auth(served, auth_ini), _database_service(served), _database(served)]
    if not served.artifacts:
        found.append(_claim(served))
    return [*found, _server(served), _server_service(served)]


def kubernetes_secret(served: Served) -> str:
    """Return the name of the secret that the objects refer to."""
    return f"{served.label}-admin"


def _auth(served: Served, auth_ini: str) -> Object:
    return _object(served, "v1", "ConfigMap", "auth", data={"auth.ini": auth_ini})


def _database_service(served: Served) -> Object:
    port = {"name": "postgresql", "port": 5432, "targetPort": "postgresql"}
    return _object(
        served, "v1", "Service", "database",
        spec={"clusterIP": "None", "selector": _labels(served, "database"), "ports": [port]},
    )  # fmt: skip


def _database(served: Served) -> Object:
    ready = {"exec": {"command": list(DATABASE_READY)}}
    container = {
        "name": "postgresql",
        "image": POSTGRES,
        "ports": [{"name": "postgresql", "containerPort": 5432}],
        "env": [
            {"name": "POSTGRES_USER", "value": DATABASE},
            {"name": "POSTGRES_DB", "value": DATABASE},
            {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"},
            _from_secret(served, "POSTGRES_PASSWORD", "database_password"),
        ],
        "startupProbe": {**ready, "periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 60},
        "readinessProbe": {**ready, "periodSeconds": 5, "timeoutSeconds": 3},
        "livenessProbe": {**ready, "periodSeconds": 20, "timeoutSeconds": 5},
        "resources": _resources("250m", "256Mi", "1Gi"),
        "securityContext": _confined(),
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
            {"name": "run", "mountPath": "/var/run/postgresql"},
            {"name": "tmp", "mountPath": _TMP},
        ],
    }
    spec = {
        "serviceName": f"{served.label}-database",
        "replicas": 1,
        "selector": {"matchLabels": _labels(served, "database")},
        "template": _pod(
            served, "database", container, POSTGRES_USER,
            [{"name": "run", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}],
        ),
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": _volume(served)}],
    }  # fmt: skip
    return _object(served, "apps/v1", "StatefulSet", "database", spec=spec)


def _claim(served: Served) -> Object:
    return _object(served, "v1", "PersistentVolumeClaim", "artifacts", spec=_volume(served))


def _server(served: Served) -> Object:
    health = {"httpGet": {"path": "/health", "port": "http"}}
    public = public_environment(served, _PORT, *_service_names(served))
    mounts = [
        {"name": "auth", "mountPath": "/etc/mlflow", "readOnly": True},
        {"name": "tmp", "mountPath": _TMP},
    ]
    volumes: list[Object] = [
        {"name": "auth", "configMap": {"name": f"{served.label}-auth"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if not served.artifacts:
        mounts.append({"name": "artifacts", "mountPath": FOLDER})
        volumes.append(
            {"name": "artifacts", "persistentVolumeClaim": {"claimName": f"{served.label}-artifacts"}}
        )
    container = {
        "name": "mlflow",
        "image": served.image,
        "command": server_command(served, f"{served.label}-database", _PORT),
        "ports": [{"name": "http", "containerPort": _PORT}],
        "env": [
            *({"name": name, "value": value} for name, value in public.items()),
            *(_from_secret(served, name, key) for name, key in SECRET_ENVIRONMENT.items()),
        ],
        "startupProbe": {**health, "periodSeconds": 5, "timeoutSeconds": 3, "failureThreshold": 36},
        "readinessProbe": {**health, "periodSeconds": 10, "timeoutSeconds": 3},
        "livenessProbe": {**health, "periodSeconds": 20, "timeoutSeconds": 5, "failureThreshold": 3},
        "resources": _resources("250m", "512Mi", "2Gi"),
        "securityContext": _confined(),
        "volumeMounts": mounts,
    }
    spec = {
        "replicas": 1,
        "strategy": {"type": "Recreate"},  # one process remembers logins, and one pod has the volume
        "selector": {"matchLabels": _labels(served, "server")},
        "template": _pod(served, "server", container, USER, volumes),
    }
    return _object(served, "apps/v1", "Deployment", "", spec=spec)


def _service_names(served: Served) -> list[str]:
    """Return the names of the service; where the namespace is not known, those that no name outside can be like."""
    inside = ("svc", "svc.cluster.local")
    known = ["", *inside] if served.namespace else inside
    space = f"{served.label}.{served.namespace or '*'}"
    return [served.label, *(f"{space}.{end}".rstrip(".") for end in known)]


def _server_service(served: Served) -> Object:
    port = {"name": "http", "port": _PORT, "targetPort": "http"}
    spec = {"type": "ClusterIP", "selector": _labels(served, "server"), "ports": [port]}
    return _object(served, "v1", "Service", "", spec=spec)


def _object(served: Served, version: str, kind: str, part: str, **content: Any) -> Object:
    name = f"{served.label}-{part}" if part else served.label
    metadata: Object = {"name": name, "labels": _labels(served, part or "server")}
    if served.namespace:
        metadata["namespace"] = served.namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def _pod(served: Served, part: str, container: Object, user: int, volumes: list[Object]) -> Object:
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # or the service's address comes in variables that begin with MLFLOW_
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    }
    return {"metadata": {"labels": _labels(served, part)}, "spec": spec}


def _labels(served: Served, part: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "mlflow", "app.kubernetes.io/instance": served.label, "app.kubernetes.io/component": part}  # fmt: skip


def _from_secret(served: Served, variable: str, key: str) -> Object:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": kubernetes_secret(served), "key": key}}}


def _volume(served: Served) -> Object:
    return {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": served.storage}}}


def _resources(cpu: str, memory: str, limit: str) -> Object:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}


def _confined() -> Object:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
