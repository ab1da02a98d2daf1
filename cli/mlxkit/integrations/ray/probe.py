"""Whether a cluster answers, in milliseconds: Ray itself tries for 20 to 120 seconds before it says that it does not."""

from __future__ import annotations

import contextlib
import os
from typing import Any

from ...errors import ConfigError, CredentialsError, UnreachableError
from .settings import START, RaySettings

TIMEOUT = 10.0  # seconds
_ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"
_INSIDE = "/ray.rpc.InternalKVGcsService/InternalKVGet"
_CLIENT = "/ray.rpc.RayletDriver/ClusterInfo"


def check_answers(settings: RaySettings, endpoint: str, timeout: float = TIMEOUT) -> None:
    """Raise UnreachableError when nothing answers at an address, CredentialsError when the token is not the right one."""
    import grpc

    try:
        _ask(endpoint, _CLIENT if settings.is_client else _ALIVE, _ping(settings), timeout)
    except grpc.RpcError as error:
        _raise(settings, endpoint, error)


def is_alive(endpoint: str, timeout: float) -> bool:
    """Say whether the head's control service answers; one that refuses a token does."""
    import grpc

    try:
        _ask(endpoint, _ALIVE, b"", timeout)
    except grpc.RpcError as error:
        return error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    return True


def takes_anybody(settings: RaySettings, endpoint: str) -> bool:
    """Say whether a cluster answers without a token."""
    import grpc

    with contextlib.closing(_channel(endpoint, with_token=False)) as channel:
        try:
            channel.unary_unary(_CLIENT if settings.is_client else _ALIVE)(_ping(settings), timeout=TIMEOUT)
        except grpc.RpcError as error:
            return bool(error.code() != grpc.StatusCode.UNAUTHENTICATED)
    return True


def check_versions(endpoint: str) -> None:
    """Raise ConfigError when a cluster's Ray, or its Python, is another than this one."""
    import json

    import grpc

    try:
        theirs = json.loads(_noted(endpoint, b"CLUSTER_METADATA", b"cluster"))
        ray_version, python = theirs["ray_version"], theirs["python_version"]
    except (grpc.RpcError, ValueError, KeyError):
        return  # then Ray compares them itself
    refuse_other_versions(str(ray_version), str(python))


def dashboard_at(endpoint: str) -> str:
    """Return `host:port` of the dashboard of a cluster that answers, nothing for one without."""
    import grpc

    try:
        return _noted(endpoint, b"dashboard", b"dashboard").decode()
    except (grpc.RpcError, ValueError):
        return ""


def _noted(endpoint: str, key: bytes, namespace: bytes) -> bytes:
    """Return what the head has written down for its nodes."""
    from ray.core.generated import gcs_service_pb2

    messages: Any = gcs_service_pb2
    wanted = messages.InternalKVGetRequest(key=key, namespace=namespace)
    answer = _ask(endpoint, _INSIDE, wanted.SerializeToString(), TIMEOUT)
    return bytes(messages.InternalKVGetReply.FromString(answer).value)


def refuse_other_versions(ray_version: str, python: str) -> None:
    """Raise ConfigError unless Ray is the same and Python is of the same minor version."""
    ours = our_versions()
    if ray_version == ours[0] and python.split(".")[:2] == ours[1].split(".")[:2]:
        return
    raise ConfigError(
        f"the cluster has Ray {ray_version} on Python {python}, here are Ray {ours[0]} and Python {ours[1]}: Ray "
        "must be the same, and Python of the same minor version",
        hint=f"pip install 'ray[default,client]=={ray_version}', with Python {'.'.join(python.split('.')[:2])}",
    )


def our_versions() -> tuple[str, str]:
    """Return the versions of Ray and Python here."""
    import platform

    import ray

    return ray.__version__, platform.python_version()


def _ping(settings: RaySettings) -> bytes:
    if not settings.is_client:
        return b""
    from ray.core.generated import ray_client_pb2

    messages: Any = ray_client_pb2
    return bytes(messages.ClusterInfoRequest(type=messages.ClusterInfoType.PING).SerializeToString())


def _ask(endpoint: str, method: str, request: bytes, timeout: float) -> bytes:
    with contextlib.closing(_channel(endpoint, with_token=True)) as channel:
        return bytes(channel.unary_unary(method)(request, timeout=timeout))


def _channel(endpoint: str, *, with_token: bool) -> Any:
    """Open a channel as Ray does: with TLS and the token where they are set."""
    import grpc
    from ray._private import grpc_utils

    options = [("grpc.enable_http_proxy", 0)]
    if with_token:
        return grpc_utils.init_grpc_channel(endpoint, options)
    if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
        return grpc_utils.init_grpc_channel(endpoint, options)
    return grpc.insecure_channel(endpoint, options)


def _raise(settings: RaySettings, endpoint: str, error: Any) -> None:
    import grpc

    if error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        said = "refuses this token" if settings.auth_token else "wants a token"
        raise CredentialsError(
            f"{settings.shown} {said}",
            hint=f'mlx orchestrator update {settings.name} --auth_token="<<ray.token>>"',
        ) from None
    if error.code() == grpc.StatusCode.UNIMPLEMENTED:
        other = "the port of the cluster itself" if settings.is_client else "the port of Ray Client"
        raise ConfigError(
            f"{endpoint} is {other}",
            hint=f"mlx orchestrator update {settings.name} --address="
            + (endpoint if settings.is_client else f"ray://{endpoint}"),
        ) from None
    raise UnreachableError(
        f"{settings.shown} does not answer",
        hint=START if settings.is_near else f"mlx orchestrator describe {settings.name}",
    ) from None
