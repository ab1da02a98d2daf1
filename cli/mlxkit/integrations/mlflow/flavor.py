"""The MLflow tracker, registry and deployer, described, with the rules for their attributes; MLflow is not imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult

from ...stacks.addresses import is_loopback
from ...stacks.attributes import InvalidAttributeError
from ...stacks.flavors import Attribute, Flavor
from .address import HTTP, check_address, check_host, check_written, is_by_reference

TRACKER = Flavor(
    kind="experiment_tracker",
    name="mlflow",
    attributes=(
        Attribute(
            "tracking_uri",
            "str",
            "Where runs are logged: http(s)://..., databricks, or a database such as sqlite:///path.db. "
            "Without it: SQLite inside the state folder.",
        ),
        Attribute("tracking_username", "str", "User name for basic authentication.", secret=True),
        Attribute("tracking_password", "str", "Password for basic authentication.", secret=True),
        Attribute("tracking_token", "str", "Bearer token, in place of user name and password.", secret=True),
        Attribute(
            "tracking_insecure_tls", "bool", "Do not check the server's TLS certificate.", default=False
        ),
        Attribute(
            "tracking_server_cert",
            "str",
            "PEM file with the only certificate to trust, beside mlx.yaml where it is relative.",
        ),
        Attribute("anonymous", "bool", "Say that the server takes no credentials.", default=False),
        Attribute("databricks_host", "str", "Workspace URL; needed when tracking_uri is databricks."),
        Attribute("databricks_client_id", "str", "Service principal for OAuth on Databricks.", secret=True),
        Attribute("databricks_client_secret", "str", "Secret of that service principal.", secret=True),
        Attribute(
            "enable_unity_catalog", "bool", "Keep models in Unity Catalog on Databricks.", default=False
        ),
        Attribute(
            "experiment_name", "str", "MLflow experiment to log to. Without it: the name of the pipeline."
        ),
        Attribute("nested", "bool", "Give each step a child run of its own.", default=False),
        Attribute("tags", "map", "Tags to set on every run, as a JSON object."),
    ),
    implementation="mlxkit.integrations.mlflow.tracker:MlflowTracker",
    summary="MLflow tracking: a local SQLite store, a server, or Databricks.",
    validator="mlxkit.integrations.mlflow.flavor:validate_tracker",
    servers="mlxkit.integrations.mlflow.server.service:MlflowServers",
)

REGISTRY = Flavor(
    kind="model_registry",
    name="mlflow",
    attributes=(),
    implementation="mlxkit.integrations.mlflow.registry.registry:MlflowRegistry",
    summary="The model registry of the stack's MLflow tracker.",
)

DEPLOYER = Flavor(
    kind="model_deployer",
    name="mlflow",
    attributes=(),
    implementation="mlxkit.integrations.mlflow.serving.deployer:MlflowDeployer",
    summary="MLflow scoring servers on this machine.",
)

_PAIRS = (
    ("basic authentication", "tracking_username", "tracking_password"),
    ("OAuth on Databricks", "databricks_client_id", "databricks_client_secret"),
)
_DATABRICKS_ONLY = (
    "databricks_host",
    "databricks_client_id",
    "databricks_client_secret",
    "enable_unity_catalog",
)


def validate_tracker(name: str, attributes: Mapping[str, Any], *, anonymous: bool) -> list[str]:
    """Apply the rules between the attributes of an MLflow tracker; a URI that holds a reference is not looked into."""
    for method, one, other in _PAIRS:
        if (one in attributes) != (other in attributes):
            missing = other if one in attributes else one
            raise InvalidAttributeError(missing, f"missing: {method} needs both {one} and {other}")
    _check_trust(attributes)
    uri, host = attributes.get("tracking_uri"), attributes.get("databricks_host")
    if host:
        check_written("databricks_host", host)
        if not is_by_reference(host if "://" in host else f"https://{host}"):
            check_host("databricks_host", host)
    if uri is None:
        return _check_local(name, attributes)
    check_written("tracking_uri", uri)
    if is_by_reference(uri):
        _exactly_one_method(attributes, at_least=0, databricks=True)
        return []
    if uri.strip().lower() == "databricks":
        return _check_databricks(name, attributes, anonymous)
    for option in _DATABRICKS_ONLY:
        if attributes.get(option):
            raise InvalidAttributeError(option, "is for Databricks only, and needs tracking_uri=databricks")
    address = check_address("tracking_uri", uri)
    return _check_server(address, attributes, anonymous) if address.scheme in HTTP else []


def _check_trust(attributes: Mapping[str, Any]) -> None:
    """Refuse a certificate where none is looked at."""
    if not attributes.get("tracking_server_cert"):
        return
    if attributes.get("tracking_insecure_tls"):
        raise InvalidAttributeError(
            "tracking_server_cert", "contradicts tracking_insecure_tls: leave one out"
        )
    uri = attributes.get("tracking_uri") or ""
    if not is_by_reference(uri) and not uri.lower().startswith("https://"):
        raise InvalidAttributeError("tracking_server_cert", "is for a tracking_uri that begins with https://")


def _check_local(name: str, attributes: Mapping[str, Any]) -> list[str]:
    for option in _DATABRICKS_ONLY:
        if attributes.get(option):
            raise InvalidAttributeError(option, "is for Databricks only, and needs tracking_uri=databricks")
    if _exactly_one_method(attributes, at_least=0):
        return [
            "without tracking_uri runs are logged on this machine and the credentials have no effect: "
            f"mlx tracker update {name} --tracking_uri=https://..."
        ]
    return []


def _check_databricks(name: str, attributes: Mapping[str, Any], anonymous: bool) -> list[str]:
    if not attributes.get("databricks_host"):
        raise InvalidAttributeError(
            "databricks_host",
            "missing: tracking_uri=databricks needs the address of the workspace",
            hint=f"add --databricks_host=https://... to {name!r}",
        )
    if anonymous:
        raise InvalidAttributeError("anonymous", "Databricks always needs credentials")
    _exactly_one_method(attributes, at_least=1, databricks=True)
    return []


def _check_server(address: SplitResult, attributes: Mapping[str, Any], anonymous: bool) -> list[str]:
    near = is_loopback(address.hostname or "")
    used = _exactly_one_method(attributes, at_least=0 if near or anonymous else 1)
    if used and anonymous:
        raise InvalidAttributeError("anonymous", f"contradicts {used[0]}: leave one of them out")
    warnings = []
    if used and address.scheme == "http" and not near:
        warnings.append("the credentials go over http, where anyone on the way can read them: use https")
    if attributes.get("tracking_insecure_tls"):
        warnings.append(
            "tracking_insecure_tls: the server's certificate is not checked, so anyone could pose as it"
        )
    return warnings


def _exactly_one_method(
    attributes: Mapping[str, Any], *, at_least: int, databricks: bool = False
) -> list[str]:
    """Return the methods of authentication in use, or refuse none where one is needed, and more than one."""
    methods = {"user name and password": "tracking_username", "token": "tracking_token"}
    if databricks:
        methods["service principal"] = "databricks_client_id"
    used = [method for method, attribute in methods.items() if attributes.get(attribute)]
    if len(used) > 1:
        raise InvalidAttributeError(
            methods[used[1]], f"exactly one way to authenticate is needed, and there are {' and '.join(used)}"
        )
    if len(used) < at_least:
        either = (
            'add --tracking_token="<<secret.token>>", or --tracking_username="<<secret.username>>" '
            '--tracking_password="<<secret.password>>"'
        )
        raise InvalidAttributeError(
            "tracking_uri",
            "a remote server needs credentials",
            hint=either if databricks else f"{either}, or --anonymous if it takes none",
        )
    return used
