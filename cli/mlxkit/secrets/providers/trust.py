"""Which providers of a mlx.yaml may be asked at all.

The threat: a mlx.yaml is committed, cloned and changed by pull requests, and it says where a provider is. Whoever
writes that line would get what we log in with: the user's Vault token, a secret id out of the keyring, the JWT of a
service account, any file that `jwt_file` names, a session token of AWS. So nothing is read for a provider and no
connection is made to it, not even to look up its name, until the user himself has said that this is the place. There are
four ways to say so:

1. the provider stands in the user's own mlx.yaml, which nobody else writes;
2. `mlx secret trust NAME` once: kept with this user's data, for exactly what the entry says. Any change of it (the
   address, the path, the way to log in, the bytes of its certificate authority) has to be trusted again;
3. MLX_TRUSTED_PROVIDERS with the fingerprint that `mlx secret trust NAME --fingerprint` shows, for CI: it is kept in the
   settings of the CI system, so that a pull request that changes mlx.yaml is not trusted by itself;
4. BAO_ADDR or VAULT_ADDR names the same server, and the entry logs in with the token of the user's tools, which they
   send there already. One that says anything else of the login (a reference, a file, a role, where to send it), that
   brings a certificate authority or another namespace, is not trusted by that: it would send there what nobody does.

A token in the environment or in ~/.vault-token belongs to the server of BAO_ADDR or VAULT_ADDR where that is set: it is
not sent to another one, a trusted one neither (kv2_login.py). Redirects are followed on the same server only
(kv2_http.py).

What this does not close: a trusted provider's secret goes where the attributes of a component say, as one of the keyring
does. A configuration says where credentials are sent; look at one before it is used, as at any program of others.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ...config.files import make_private_dir, write_atomic
from ...config.locks import file_lock
from ...config.model import ProviderEntry
from ...config.paths import Project, user_data_dir
from ...config.regular import read_regular_file
from ...errors import ConfigError
from .places import ca_path, environment_address, environment_namespace, same_server

VARIABLE = "MLX_TRUSTED_PROVIDERS"
FILE = "trusted-providers.json"
VERSION = 1
_OF_THE_TOOLS = frozenset(
    ("address", "mount", "path", "namespace", "auth")
)  # what an entry may say that (4) trusts


def why_trusted(entry: ProviderEntry, project: Project) -> str:
    """Say why a provider may be asked, as words that can stand after 'trusted: '; empty when it may not."""
    if project.origin == "user":
        return "it stands in your own mlx.yaml"
    if _is_where_the_tools_go(entry):
        return "BAO_ADDR or VAULT_ADDR names it"
    digest = fingerprint(entry, project)
    if digest in os.environ.get(VARIABLE, "").replace(",", " ").split():
        return VARIABLE
    return "mlx secret trust" if digest in _read() else ""


def fingerprint(entry: ProviderEntry, project: Project) -> str:
    """Return a digest of all that decides where a provider is and what is sent there."""
    said: dict[str, Any] = {"flavor": entry.flavor, "attributes": dict(entry.attributes)}
    path = ca_path(entry, project)
    if path is not None:
        data = read_regular_file(path, str(path))
        said["ca"] = hashlib.sha256(data or b"").hexdigest()
    if entry.flavor != "aws" and "address" not in entry.attributes:
        said["address"] = environment_address()  # what was trusted is the server of that day
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:40]


def what_is_sent(entry: ProviderEntry) -> str:
    """Say what a provider gets to see, for the person who is to trust it."""
    said = entry.attributes
    if entry.flavor == "aws":
        return "requests signed with your AWS credentials" + (
            f" of the profile {said['profile']}" if "profile" in said else ""
        )
    method = said.get("auth", "token")
    if method == "token":
        return (
            f"the token {said['token']}"
            if "token" in said
            else "your Vault token (VAULT_TOKEN, ~/.vault-token)"
        )
    if method == "approle":
        return f"{said.get('role_id')} and {said.get('secret_id')} as a login by approle"
    given = said.get("jwt") or said.get("jwt_file") or "this pod's service account"
    return f"the token of {given} as a login by {method}"


def trust(entry: ProviderEntry, project: Project) -> None:
    """Remember that this user trusts a provider as it stands."""
    digest = fingerprint(entry, project)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    with _changing() as path:
        _write(path, {**_read(), digest: {"name": entry.name, "flavor": entry.flavor, "since": now}})


def distrust(entry: ProviderEntry, project: Project) -> bool:
    """Forget it again; say whether it was trusted by that command."""
    digest = fingerprint(entry, project)
    with _changing() as path:
        known = _read()
        is_there = known.pop(digest, None) is not None
        if is_there:
            _write(path, known)
    return is_there


def _is_where_the_tools_go(entry: ProviderEntry) -> bool:
    said = entry.attributes
    if entry.flavor == "aws" or not said.keys() <= _OF_THE_TOOLS or said.get("auth", "token") != "token":
        return False
    named, address = environment_address(), said.get("address")
    namespace = said.get("namespace", "")
    is_same_namespace = not namespace or namespace.strip("/") == environment_namespace().strip("/")
    return bool(named) and is_same_namespace and (address is None or same_server(address, named))


@contextmanager
def _changing() -> Iterator[Path]:
    """Hold the lock of the file."""
    folder = make_private_dir(user_data_dir())
    with file_lock(folder / f"{FILE}.lock"):
        yield folder / FILE


def _read() -> dict[str, Any]:
    path = user_data_dir() / FILE
    data = read_regular_file(path, str(path))
    if data is None:
        return {}
    try:
        document = json.loads(data)
        if document["version"] == VERSION:
            return dict(document["providers"])
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise ConfigError(
        f"{path}: it is not what mlx wrote",
        hint=f"rm {shlex.quote(str(path))}, then mlx secret trust NAME again",
    )


def _write(path: Path, providers: Mapping[str, Any]) -> None:
    document = {"version": VERSION, "providers": dict(providers)}
    write_atomic(path, json.dumps(document, indent=1).encode() + b"\n", mode=0o600)
