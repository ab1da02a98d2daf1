"""What a plain MLflow client, in whatever language, reads from its environment to reach a tracker."""

from __future__ import annotations

from collections.abc import Mapping

from ...secrets.value import SecretValue
from ...stacks.addresses import bare_address
from ...stacks.protocols import ClientEnvironment
from .connection import Connection

# What a client may have from another tracker: it would send somebody else's password to this one.
_CREDENTIALS = (
    "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_INSECURE_TLS", "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_REGISTRY_URI", "MLFLOW_RUN_ID",
    "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME",
)  # fmt: skip
_WAYS = {"token": "pat", "basic": "basic", "oauth": "oauth-m2m"}


def client_environment(to: Connection) -> ClientEnvironment:
    """Return the variables for a tracker, credentials apart, and the names that must not be set beside them."""
    variables = {"MLFLOW_TRACKING_URI": to.tracking_uri}
    if to.experiment_name:
        variables["MLFLOW_EXPERIMENT_NAME"] = to.experiment_name
    if to.registry_uri:
        variables["MLFLOW_REGISTRY_URI"] = to.registry_uri
    if to.insecure_tls:
        variables["MLFLOW_TRACKING_INSECURE_TLS"] = "true"
    if to.server_cert is not None:
        variables["MLFLOW_TRACKING_SERVER_CERT_PATH"] = str(to.server_cert.absolute())
    if to.scenario in ("local", "database"):
        variables["_MLFLOW_SERVER_ARTIFACT_ROOT"] = (to.folder / "artifacts").absolute().as_uri()
    secrets: dict[str, SecretValue] = dict(credential_variables(to))
    if to.is_hidden or bare_address(to.tracking_uri) != to.tracking_uri:
        secrets["MLFLOW_TRACKING_URI"] = SecretValue(variables.pop("MLFLOW_TRACKING_URI"))
    if to.scenario == "databricks":
        variables["DATABRICKS_HOST"] = to.api_url
        if to.credentials.way in _WAYS:
            variables["DATABRICKS_AUTH_TYPE"] = _WAYS[to.credentials.way]
    given = {**variables, **secrets}
    return ClientEnvironment(variables, secrets, tuple(name for name in _CREDENTIALS if name not in given))


def credential_variables(to: Connection) -> Mapping[str, SecretValue]:
    """Return the credentials of a tracker under the names that clients read them from."""
    have = to.credentials
    if to.scenario == "databricks":
        named = {
            "DATABRICKS_TOKEN": have.token,
            "DATABRICKS_USERNAME": have.username,
            "DATABRICKS_PASSWORD": have.password,
            "DATABRICKS_CLIENT_ID": have.client_id,
            "DATABRICKS_CLIENT_SECRET": have.client_secret,
        }
    elif to.scenario == "server":
        named = {
            "MLFLOW_TRACKING_TOKEN": have.token,
            "MLFLOW_TRACKING_USERNAME": have.username,
            "MLFLOW_TRACKING_PASSWORD": have.password,
        }
    else:
        named = {}
    return {name: value for name, value in named.items() if value}
