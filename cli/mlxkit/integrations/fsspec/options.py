"""From the attributes of a component to the storage options of the file system behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from ...errors import MissingDependencyError
from ...stacks.resolve import ResolvedComponent
from .flavor import DEFAULT_RETRIES

BLOCK = 16 << 20  # bytes of a large file that travel in one request; so many are in memory at a time
AT_ONCE = 8
_SILENT_FOR = 60  # seconds after which a request counts as failed
_MOST_PARTS = 10_000

_LIBRARIES = {"s3": "s3fs", "gcs": "gcsfs", "azure": "adlfs", "fsspec": "fsspec"}


def need_library(flavor: str) -> None:
    """Raise MissingDependencyError where what a flavor stands on is not installed; nothing is imported."""
    library = _LIBRARIES.get(flavor, "fsspec")
    if find_spec(library) is None:
        raise MissingDependencyError(
            f"flavor {flavor!r} needs {library}, which is not installed",
            hint=f"pip install 'mlxkit[{flavor}]'",
        )


def part_size(size: int) -> int:
    """Return the bytes of one part of a file that is sent in parts: S3 takes no more than so many."""
    return max(BLOCK, -(-size // _MOST_PARTS))


def revealed(value: Any) -> Any:
    """Return a value as the library needs it: a secret as its text."""
    if isinstance(value, Mapping):
        return {key: revealed(item) for key, item in value.items()}
    return value.reveal() if hasattr(value, "reveal") else value


def storage_options(component: ResolvedComponent, *, at_most: int | None = None) -> dict[str, Any]:
    """Return the storage options, credentials in them: not to be printed, logged or kept.

    `at_most` so many times a library that can be told so repeats a request.
    """
    given = {key: revealed(value) for key, value in component.attributes.items()}
    given = {key: value for key, value in given.items() if value not in (None, "")}
    if at_most is not None:
        given["retries"] = min(at_most, int(given.get("retries", DEFAULT_RETRIES)))
    return _OF_FLAVOR.get(component.flavor, _fsspec)(given)


def _s3(given: dict[str, Any]) -> dict[str, Any]:
    options = _only(given, "key", "secret", "token", "endpoint_url", "profile", "anon")
    if "region" in given:
        options["client_kwargs"] = {"region_name": given["region"]}
    attempts = int(given.get("retries", DEFAULT_RETRIES)) + 1
    options["config_kwargs"] = {
        "connect_timeout": 10,
        "read_timeout": _SILENT_FOR,
        "max_pool_connections": 4 * AT_ONCE,
        "retries": {"mode": "standard", "total_max_attempts": attempts},
    }
    return {**options, "default_block_size": BLOCK, "max_concurrency": AT_ONCE}


def _gcs(given: dict[str, Any]) -> dict[str, Any]:
    options = _only(given, "project", "endpoint_url")
    token = given.get("token")
    if given.get("anon"):
        options["token"] = "anon"  # noqa: S105  a word of gcsfs
    elif token is not None:
        options["token"] = json.loads(token) if token.lstrip().startswith("{") else token
    return options


def _azure(given: dict[str, Any]) -> dict[str, Any]:
    names = (
        "account_name", "account_key", "sas_token", "connection_string", "tenant_id", "client_id", "client_secret",
    )  # fmt: skip
    return {**_only(given, *names), "anon": bool(given.get("anon"))}  # unset, the environment would decide


def _fsspec(given: dict[str, Any]) -> dict[str, Any]:
    return dict(given.get("options", {}))


def _only(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}


_OF_FLAVOR: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "s3": _s3,
    "gcs": _gcs,
    "azure": _azure,
    "fsspec": _fsspec,
}
