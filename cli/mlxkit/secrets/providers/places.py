"""Where a provider is, by mlx.yaml and by the environment that Vault's and OpenBao's own tools read."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from ...config.model import ProviderEntry
from ...config.paths import Project


def environment_address() -> str:
    """Return the server that the user's own tools talk to, or nothing."""
    return first_set("BAO_ADDR", "VAULT_ADDR").rstrip("/")


def environment_namespace() -> str:
    """Return the namespace that the user's own tools use, or nothing."""
    return first_set("BAO_NAMESPACE", "VAULT_NAMESPACE")


def first_set(*variables: str) -> str:
    """Return the first of some variables that is not empty."""
    return next((found for name in variables if (found := os.environ.get(name, "").strip())), "")


def same_server(one: str, other: str) -> bool:
    """Say whether two addresses are one scheme, host, port and path."""
    try:
        return server_of(one) == server_of(other)
    except ValueError:
        return False


def server_of(address: str) -> tuple[str, str, int, str]:
    """Return scheme, host, port and path of an address; raises ValueError for one that has none."""
    found = urlsplit(address)
    scheme, host = found.scheme.lower(), (found.hostname or "").lower().rstrip(".")
    if scheme not in ("http", "https") or not host:
        raise ValueError("not an address of a server")
    return scheme, host, found.port or (443 if scheme == "https" else 80), found.path.rstrip("/")


def ca_path(entry: ProviderEntry, project: Project) -> Path | None:
    """Return the certificate authority that an entry names, from the folder of mlx.yaml on."""
    named = entry.attributes.get("ca_file")
    return project.config_path.parent / Path(named).expanduser() if named else None
