"""How to reach MLflow: the scenario, the addresses and the credentials of one tracker."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

from ...dataclass import dataclass
from ...errors import ConfigError
from ...secrets.value import SecretValue
from ...stacks.addresses import bare_address
from ...stacks.attributes import InvalidAttributeError
from ...stacks.resolve import ResolvedComponent
from .address import HTTP, check_address, check_host
from .credentials import Credentials, credentials_of

Scenario = Literal["local", "server", "databricks", "database"]


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
    server_cert: Path | None = None
    is_hidden: bool = False
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
        """The address as it may be shown and stored: `local`, or the URI without credentials; always the same."""
        return "local" if self.scenario == "local" else bare_address(self.tracking_uri)

    @property
    def shown_url(self) -> str:
        """The address that answers, as errors name it; one that came from a secret is not quoted."""
        if self.is_hidden:
            return f"the address in {self.address_attribute}"
        return bare_address(self.api_url or self.tracking_uri)

    @property
    def host(self) -> str:
        """The host that answers."""
        return urlsplit(self.api_url or self.tracking_uri).hostname or ""

    @property
    def shown_host(self) -> str:
        """The host as errors name it."""
        return f"of the name in {self.address_attribute}" if self.is_hidden else f"named {self.host!r}"

    @property
    def address_attribute(self) -> str:
        """The attribute that says where the server is."""
        return "databricks_host" if self.scenario == "databricks" else "tracking_uri"


def connect(component: ResolvedComponent, state_dir: Path) -> Connection:
    """Read the attributes of a tracker whose references are resolved."""
    attributes = component.attributes
    given = attributes.get("tracking_uri")
    uri, is_hidden = _text(given), isinstance(given, SecretValue)
    common: dict[str, Any] = {
        "name": component.name,
        "state_dir": state_dir,
        "credentials": credentials_of(component.name, attributes),
        "insecure_tls": bool(attributes.get("tracking_insecure_tls", False)),
        "server_cert": _certificate(attributes, state_dir),
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
            api_url=_checked(component, "databricks_host"),
            is_hidden=isinstance(attributes["databricks_host"], SecretValue),
            registry_uri=registry,
            **common,
        )
    _checked(component, "tracking_uri")
    scheme = urlsplit(uri).scheme.lower()
    if scheme in HTTP:
        address = uri.rstrip("/")
        return Connection(
            scenario="server", tracking_uri=address, api_url=address, is_hidden=is_hidden, **common
        )
    if scheme.partition("+")[0] == "sqlite":
        uri = sqlite_uri(_project_folder(state_dir) / _sqlite_path(uri))
    return Connection(scenario="database", tracking_uri=uri, is_hidden=is_hidden, **common)


def _checked(component: ResolvedComponent, attribute: str) -> str:
    """Hold a resolved address against the rules for written ones, and return it; what a secret put in is not quoted."""
    given = component.attributes[attribute]
    text, is_hidden = _text(given) or "", isinstance(given, SecretValue)
    try:
        if attribute == "databricks_host":
            return check_host(attribute, text, is_hidden=is_hidden)
        check_address(attribute, text, is_hidden=is_hidden)
        return text
    except InvalidAttributeError as error:
        message, hint = error.message, error.hint
    if is_hidden:
        message += " once its references are replaced"
        hint = 'correct the secret; a value inside of an address is encoded by "<<secret.key|url>>"'
    raise ConfigError(f"tracker {component.name!r}: {message}", hint=hint)


def _certificate(attributes: Mapping[str, Any], state_dir: Path) -> Path | None:
    """Return the file with the certificate to trust; a relative one is meant from the project's folder."""
    given = _text(attributes.get("tracking_server_cert"))
    return _project_folder(state_dir) / Path(given).expanduser() if given else None


def sqlite_uri(path: Path) -> str:
    """Return the SQLAlchemy address of a file; only what would be read otherwise there is encoded."""
    text = path.absolute().as_posix()
    if not re.search("[%?]", text) or not _is_decoded():
        return f"sqlite:///{text}"
    return "sqlite:///" + re.sub("[%?]", lambda found: quote(found[0]), text)


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


def _text(value: Any) -> str | None:
    return value.reveal() if isinstance(value, SecretValue) else value
