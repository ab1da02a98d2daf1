"""Where a provider is, by mlx.yaml and by the environment that Vault's and OpenBao's own tools read."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from ...config.model import ProviderEntry
from ...config.paths import Project
from ...config.secret_providers import address_problems
from ...stacks.addresses import shown_address

_ADDRESSES = ("BAO_ADDR", "VAULT_ADDR")


def environment_address() -> str:
    """Return the server that the user's own tools talk to, or nothing."""
    return first_set(*_ADDRESSES).rstrip("/")


def environment_problem() -> str:
    """Say what is wrong with the address in the environment, without repeating it; empty for a good one or none."""
    problem = next(address_problems(environment_address()), "") if environment_address() else ""
    named = next((name for name in _ADDRESSES if os.environ.get(name, "").strip()), "")
    return f"{named}: {problem}" if problem else ""


def asked_address(address: str) -> str:
    """Return an address as it is asked for, in ASCII; one that is none stays as it is."""
    if address.isascii():
        return address
    try:
        found = urlsplit(address)
        host, port = _host(found.hostname or ""), f":{found.port}" if found.port else ""
    except ValueError:
        return address
    place = f"[{host}]{port}" if ":" in host else host + port
    return urlunsplit((found.scheme, place, quote(found.path, safe="/%"), "", ""))


def shown_server(address: str) -> str:
    """Return an address for people; one that is none may hold a password anywhere, and is not shown."""
    if not address:
        return "no address"
    return "an address that is none" if any(address_problems(address)) else shown_address(address)


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
    scheme, host = found.scheme.lower(), _host(found.hostname or "").rstrip(".")
    if scheme not in ("http", "https") or not host:
        raise ValueError("not an address of a server")
    return scheme, host, found.port or (443 if scheme == "https" else 80), found.path.rstrip("/")


def ca_path(entry: ProviderEntry, project: Project) -> Path | None:
    """Return the certificate authority that an entry names, from the folder of mlx.yaml on."""
    named = entry.attributes.get("ca_file")
    return file_from(project.config_path.parent, named) if named else None


def file_from(folder: Path, named: str) -> Path:
    """Return a file that mlx.yaml names; `~nobody/` of a user who is none stays as it is written, and is not there."""
    return folder / os.path.expanduser(named)  # noqa: PTH111 - that of Path raises


def _host(name: str) -> str:
    """Return the name of a server as it is asked for: international names in ASCII; raises ValueError for none."""
    return name.lower() if name.isascii() else name.encode("idna").decode("ascii").lower()
