"""What a Ray orchestrator was told, as the rest of this folder reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...dataclass import dataclass
from ...errors import ConfigError
from ...secrets.value import SecretValue
from ...stacks.addresses import is_loopback, without_credentials
from ...stacks.resolve import ResolvedComponent
from .flavor import check_address

# Starts a cluster that only this machine reaches, and that tells nobody of its use.
START = (
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 ray start --head --node-ip-address=127.0.0.1 --disable-usage-stats"
)
_CLIENT = "ray://"


@dataclass(frozen=True)
class RaySettings:
    """One Ray orchestrator; without an address a cluster is started for each run."""

    name: str
    address: str | None = None
    dashboard: str | None = None
    namespace: str | None = None
    ships_project: bool = False
    pip: str | None = None
    env_vars: Mapping[str, str] = field(default_factory=dict)
    auth_token: SecretValue | None = None
    losses: int = 2
    cpus: int | None = None
    gpus: int | None = None

    @property
    def is_client(self) -> bool:
        """Say whether the cluster is reached from outside, through its Ray Client server."""
        return (self.address or "").startswith(_CLIENT)

    @property
    def endpoint(self) -> str | None:
        """Return `host:port` of what has to answer first, or None where it is not known before."""
        if self.address in (None, "auto"):
            return None
        bare = str(self.address).removeprefix(_CLIENT)
        return bare if re.search(r":\d+$", bare) else f"{bare}:10001"

    @property
    def is_near(self) -> bool:
        """Say whether nothing that is sent leaves this machine on the way to the head."""
        endpoint = self.endpoint
        return endpoint is None or is_loopback(endpoint.rpartition(":")[0].strip("[]"))

    def token_in_clear(self, address: str) -> str:
        """Return what is said where the token goes to an address without TLS, nothing for one of the loopback."""
        host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
        if self.auth_token is None or is_loopback(host):
            return ""
        return f"the token of orchestrator {self.name!r} goes to {address} without TLS: who listens on the way reads it"

    @property
    def shown(self) -> str:
        """Return how errors name the cluster."""
        return f"the Ray cluster at {self.address}" if self.address else "the Ray cluster of this run"


def settings_of(component: ResolvedComponent) -> RaySettings:
    """Read a resolved component."""
    given = component.attributes
    address, token = _text(given.get("address")), given.get("auth_token")
    if address is not None:
        check_address(address)
    return RaySettings(
        name=component.name,
        address=address,
        dashboard=_text(given.get("dashboard")),
        namespace=_text(given.get("namespace")),
        ships_project=given.get("ship") == "project",
        pip=_text(given.get("pip")),
        env_vars={key: str(value) for key, value in dict(given.get("env_vars") or {}).items()},
        auth_token=token if isinstance(token, SecretValue) or token is None else SecretValue(str(token)),
        losses=int(given.get("losses", 2)),
        cpus=given.get("cpus"),
        gpus=given.get("gpus"),
    )


def requirements(pip: str, root: Path) -> list[str]:
    """Return what to install: from a requirements file when it names one, else the names in it."""
    if pip.endswith(".txt"):
        file = root / pip
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise ConfigError(f"pip: {file} cannot be read: {error.strerror}") from error
    else:
        lines = pip.split(",")
    found = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if any(without_credentials(line) != line for line in found):
        raise ConfigError(
            "pip: an address in it holds credentials, and a cluster shows what its workers install to all who look",
            hint="configure the index on the cluster's nodes, or install there what steps need",
        )
    return found


def _text(value: Any) -> str | None:
    return value.reveal() if isinstance(value, SecretValue) else value
