"""How to reach MLflow: the scenario, the addresses and the credentials of one tracker."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from ...errors import ConfigError
from ...secrets.masking import mask_text
from ...secrets.value import SecretValue
from ...stacks.resolve import ResolvedComponent

Scenario = Literal["local", "server", "databricks", "database"]


@dataclass(frozen=True)
class Credentials:
    """What authenticates us; at most one of the three ways is filled in."""

    username: SecretValue | None = None
    password: SecretValue | None = None
    token: SecretValue | None = None
    client_id: SecretValue | None = None
    client_secret: SecretValue | None = None

    @property
    def way(self) -> str:
        """Name the way of authentication: `basic`, `token`, `oauth` or `none`."""
        if self.token:
            return "token"
        if self.username and self.password:
            return "basic"
        return "oauth" if self.client_id and self.client_secret else "none"

    def header(self) -> str | None:
        """Return the value of the Authorization header, or None; OAuth needs a token of its own first."""
        if self.token:
            return f"Bearer {self.token.reveal()}"
        if self.username and self.password:
            return "Basic " + _base64(self.username, self.password)
        return None


@dataclass(frozen=True)
class Connection:
    """One tracker, ready to be used; addresses are absolute here and nowhere else."""

    name: str
    scenario: Scenario
    tracking_uri: str = field(repr=False)
    state_dir: Path
    api_url: str = field(default="", repr=False)
    credentials: Credentials = field(default_factory=Credentials)
    insecure_tls: bool = False
    registry_uri: str | None = None
    experiment_name: str | None = None
    nested: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder of the local store."""
        return self.state_dir / "mlflow"

    @property
    def database(self) -> Path | None:
        """The SQLite file behind the tracker, or None when it is something else."""
        if not self.tracking_uri.startswith("sqlite:"):
            return None
        return Path(_sqlite_path(self.tracking_uri))

    @property
    def shown_uri(self) -> str:
        """The address as it may be shown and stored: `local`, or the URI without credentials."""
        return "local" if self.scenario == "local" else mask_text(without_userinfo(self.tracking_uri))

    @property
    def shown_url(self) -> str:
        """The address that answers, as messages name it."""
        return mask_text(without_userinfo(self.api_url or self.tracking_uri))


def connect(component: ResolvedComponent, state_dir: Path) -> Connection:
    """Read the attributes of a tracker whose references are resolved."""
    attributes = component.attributes
    uri = _text(attributes.get("tracking_uri"))
    common: dict[str, Any] = {
        "name": component.name,
        "state_dir": state_dir,
        "credentials": _credentials(attributes),
        "insecure_tls": bool(attributes.get("tracking_insecure_tls", False)),
        "experiment_name": _text(attributes.get("experiment_name")),
        "nested": bool(attributes.get("nested", False)),
        "tags": {str(key): str(_text(value)) for key, value in (attributes.get("tags") or {}).items()},
    }
    if uri is None:
        return Connection(
            scenario="local", tracking_uri=sqlite_uri(state_dir / "mlflow" / "mlflow.db"), **common
        )
    if uri.strip().lower() == "databricks":
        host = _text(attributes.get("databricks_host"))
        if not host:
            raise ConfigError(
                f"tracker {component.name!r}: tracking_uri=databricks needs databricks_host",
                hint=f"mlx tracker update {component.name} --databricks_host=https://...",
            )
        registry = "databricks-uc" if attributes.get("enable_unity_catalog") else "databricks"
        return Connection(
            scenario="databricks",
            tracking_uri="databricks",
            api_url=_with_scheme(host),
            registry_uri=registry,
            **common,
        )
    scheme = urlsplit(uri).scheme.lower()
    if scheme in ("http", "https"):
        return Connection(scenario="server", tracking_uri=uri.rstrip("/"), api_url=uri.rstrip("/"), **common)
    if scheme == "sqlite":
        uri = sqlite_uri(_project_folder(state_dir) / _sqlite_path(uri))
    return Connection(scenario="database", tracking_uri=uri, **common)


def sqlite_uri(path: Path) -> str:
    """Return the SQLAlchemy address of a file; only what would be read otherwise there is encoded."""
    text = path.absolute().as_posix()
    if not re.search("[%?]", text) or not _is_decoded():
        return f"sqlite:///{text}"
    return "sqlite:///" + re.sub("[%?]", lambda found: quote(found[0]), text)


def without_userinfo(uri: str) -> str:
    """Return an address without `user:password@`."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _sqlite_path(uri: str) -> str:
    text = uri.partition("?")[0].partition(":///")[2]
    return unquote(text) if "%" in text and _is_decoded() else text


def _is_decoded() -> bool:
    """Say whether SQLAlchemy decodes the path of an address, as it does from 2.1 on."""
    from importlib.metadata import version

    return tuple(int(part) for part in version("sqlalchemy").split(".")[:2]) >= (2, 1)


def _project_folder(state_dir: Path) -> Path:
    """Return what a relative path in the configuration is relative to."""
    return state_dir.parent if state_dir.name == ".mlx" else Path.cwd()


def _credentials(attributes: Mapping[str, Any]) -> Credentials:
    def secret(key: str) -> SecretValue | None:
        value = attributes.get(key)
        return SecretValue(value) if isinstance(value, str) else value

    return Credentials(
        secret("tracking_username"),
        secret("tracking_password"),
        secret("tracking_token"),
        secret("databricks_client_id"),
        secret("databricks_client_secret"),
    )


def _text(value: Any) -> str | None:
    return value.reveal() if isinstance(value, SecretValue) else value


def _with_scheme(host: str) -> str:
    return (host if "://" in host else f"https://{host}").rstrip("/")


def _base64(username: SecretValue, password: SecretValue) -> str:
    return b64encode(f"{username.reveal()}:{password.reveal()}".encode()).decode()
