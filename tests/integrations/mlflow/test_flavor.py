"""The rules for the attributes of an MLflow tracker: each mistake has a message of its own, which echoes no value."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from mlxkit.integrations.mlflow.flavor import TRACKER, validate_tracker
from mlxkit.stacks.addresses import is_loopback
from mlxkit.stacks.attributes import InvalidAttributeError, check_attributes

REMOTE = "https://mlflow.example.com"
TOKEN = {"tracking_token": "<<team.token>>"}
BASIC = {"tracking_username": "<<team.username>>", "tracking_password": "<<team.password>>"}
M2M = {"databricks_client_id": "<<db.id>>", "databricks_client_secret": "<<db.secret>>"}
HOST = {"databricks_host": "https://dbc.example.com"}


def check(**attributes: Any) -> list[str]:
    return check_attributes(TRACKER, "team", attributes)


def refused(**attributes: Any) -> InvalidAttributeError:
    with pytest.raises(InvalidAttributeError) as caught:
        check(**attributes)
    return caught.value


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"experiment_name": "a", "nested": True, "tags": {"team": "vision", "year": 2026}},
        {"tracking_uri": REMOTE, **TOKEN},
        {"tracking_uri": REMOTE, **BASIC},
        {"tracking_uri": f"{REMOTE}:8443/path", **BASIC},
        {"tracking_uri": REMOTE, "anonymous": True},
        {"tracking_uri": "http://localhost:5000"},
        {"tracking_uri": "http://127.0.0.1:5000"},
        {"tracking_uri": "http://[::1]:5000"},
        {"tracking_uri": "http://mlflow.localhost"},
        {"tracking_uri": "http://localhost:5000", **BASIC},
        {"tracking_uri": "sqlite:///mlflow.db"},
        {"tracking_uri": "postgresql://db.example.com/mlflow"},
        {"tracking_uri": "postgresql+psycopg2://db.example.com/mlflow"},
        {"tracking_uri": "mysql+pymysql://<<db.user>>:<<db.password|url>>@db.example.com/mlflow"},
        {"tracking_uri": "mssql://db.example.com/mlflow"},
        {"tracking_uri": "databricks", **HOST, **TOKEN},
        {"tracking_uri": "databricks", **HOST, **BASIC},
        {"tracking_uri": "databricks", **HOST, **M2M, "enable_unity_catalog": True},
    ],
)
def test_what_is_right_passes_without_a_word(attributes: dict[str, Any]) -> None:
    assert check(**attributes) == []


@pytest.mark.parametrize(
    "uri", ["<<team.uri>>", "{{team.uri}}", "https://<<team.host>>/mlflow", "<<team.scheme>>://x"]
)
def test_an_address_by_reference_cannot_be_looked_into(uri: str) -> None:
    assert check(tracking_uri=uri) == []
    assert check(tracking_uri=uri, **BASIC) == []
    assert check(tracking_uri=uri, **HOST, **M2M) == []


@pytest.mark.parametrize(
    ("attributes", "attribute", "message"),
    [
        ({"tracking_uri": REMOTE, "tracking_username": "<<t.u>>"}, "tracking_password", "missing: basic authentication needs both"),
        ({"tracking_uri": REMOTE, "tracking_password": "<<t.p>>"}, "tracking_username", "missing: basic authentication needs both"),
        ({"tracking_uri": "databricks", **HOST, "databricks_client_id": "<<d.i>>"}, "databricks_client_secret", "needs both"),
        ({"tracking_uri": "databricks", **HOST, "databricks_client_secret": "<<d.s>>"}, "databricks_client_id", "needs both"),
        ({"tracking_uri": REMOTE, **TOKEN, **HOST}, "databricks_host", "is for Databricks only, and needs tracking_uri=databricks"),
        ({"tracking_uri": REMOTE, **M2M}, "databricks_client_id", "is for Databricks only"),
        ({"tracking_uri": REMOTE, **TOKEN, "enable_unity_catalog": True}, "enable_unity_catalog", "is for Databricks only"),
        ({"tracking_uri": "databricks", **TOKEN}, "databricks_host", "missing: tracking_uri=databricks needs the address"),
        ({"tracking_uri": "databricks", **HOST}, "tracking_uri", "a remote server needs credentials"),
        ({"tracking_uri": "databricks", **HOST, "anonymous": True}, "anonymous", "Databricks always needs credentials"),
        ({"tracking_uri": REMOTE}, "tracking_uri", "a remote server needs credentials"),
        ({"tracking_uri": "http://127.evil.com"}, "tracking_uri", "a remote server needs credentials"),
        ({"tracking_uri": "http://localhost.evil.com"}, "tracking_uri", "a remote server needs credentials"),
        ({"tracking_uri": REMOTE, **TOKEN, **BASIC}, "tracking_token", "exactly one way to authenticate is needed, and there are user name and password and token"),
        ({"tracking_uri": "http://localhost", **TOKEN, **BASIC}, "tracking_token", "exactly one way"),
        ({"tracking_uri": "databricks", **HOST, **TOKEN, **M2M}, "databricks_client_id", "exactly one way"),
        ({"tracking_uri": "<<t.uri>>", **TOKEN, **BASIC}, "tracking_token", "exactly one way"),
        ({"tracking_uri": REMOTE, **TOKEN, "anonymous": True}, "anonymous", "contradicts token"),
        ({"tracking_uri": "ftp://example.com"}, "tracking_uri", "unknown scheme 'ftp'"),
        ({"tracking_uri": "postgres://example.com/x"}, "tracking_uri", "unknown scheme 'postgres' (did you mean 'postgresql'?)"),
        ({"tracking_uri": "htps://example.com"}, "tracking_uri", "unknown scheme 'htps' (did you mean 'https'?)"),
        ({"tracking_uri": "file:///data/mlruns"}, "tracking_uri", "MLflow 3 no longer keeps runs in plain files"),
        ({"tracking_uri": "/data/mlruns"}, "tracking_uri", "MLflow 3 no longer keeps runs in plain files"),
        ({"tracking_uri": "mlruns"}, "tracking_uri", "MLflow 3 no longer keeps runs in plain files"),
        ({"tracking_uri": "https://"}, "tracking_uri", "has no host"),
        ({"tracking_uri": "https://exa mple.com", **TOKEN}, "tracking_uri", "contains a blank"),
        ({"tracking_uri": "https://example.com:port", **TOKEN}, "tracking_uri", "is not a valid address"),
        ({"tracking_uri": "https://example.com/#/experiments/0", **TOKEN}, "tracking_uri", "holds a query or a fragment"),
        ({"tracking_uri": "https://<<team.host>>?x=1", **TOKEN}, "tracking_uri", "holds a query or a fragment"),
        ({"tracking_uri": "https://a..b/", **TOKEN}, "tracking_uri", "is not a valid address"),
        ({"tracking_uri": "sqlite://"}, "tracking_uri", "names no database file"),
        ({"tracking_uri": "databricks", "databricks_host": "https://h/#x", **TOKEN}, "databricks_host", "holds a query or a fragment"),
        ({"tracking_uri": "databricks", "databricks_host": "ftp://h", **TOKEN}, "databricks_host", "has to be an https address"),
        ({"tracking_uri": "https://[::1", **TOKEN}, "tracking_uri", "is not a valid address"),
        (HOST, "databricks_host", "is for Databricks only"),
        ({**TOKEN, **BASIC}, "tracking_token", "exactly one way"),
        ({"traking_uri": REMOTE}, "traking_uri", "has no such attribute (did you mean 'tracking_uri'?)"),
        ({"nested": "perhaps"}, "nested", "has to be true or false"),
        ({"tracking_uri": 5}, "tracking_uri", "has to be text: put quotes round it"),
        ({"tags": ["a"]}, "tags", "has to be a map"),
        ({"tags": {"a": {"b": "c"}}}, "tags", "has to be a map of names to text, numbers, true or false"),
    ],
)  # fmt: skip
def test_each_mistake_names_its_attribute(attributes: dict[str, Any], attribute: str, message: str) -> None:
    error = refused(**attributes)
    assert error.attribute == attribute
    assert message in error.message
    assert error.message.startswith(f"{attribute}: ")


@pytest.mark.parametrize(
    "uri",
    [
        "https://me:hunter2@example.com",
        "https://me:hunter2@<<team.host>>/x",
        "https://hunter2@example.com",
        "postgresql://me:hunter2@db.example.com/mlflow",
        "postgresql://me:hunter2@<<team.host>>/mlflow",
        "postgresql://db/x?user=u&password=hunter2",
        "postgresql://u:<<x.y>>hunter2@db/x",
        "postgresql://u:pa@ss/hunter2@db/x",
        "https://<<team.username>>:<<team.password>>@example.com",
    ],
)
def test_credentials_inside_the_address_are_refused_and_not_repeated(uri: str) -> None:
    error = refused(tracking_uri=uri)
    assert "holds credentials" in error.message
    assert "hunter2" not in f"{error.message} {error.hint}"


def test_credentials_inside_the_workspace_s_address_are_refused() -> None:
    for host in ("https://u:hunter2@h", "u:hunter2@h", "https://u:<<x.y>>@<<t.h>>"):
        error = refused(tracking_uri="databricks", databricks_host=host, **TOKEN)
        assert error.attribute == "databricks_host"
        assert "holds credentials" in error.message
        assert "hunter2" not in f"{error.message} {error.hint}"


def test_a_password_in_clear_over_http_is_warned_about() -> None:
    assert "use https" in check(tracking_uri="http://mlflow.example.com", **BASIC)[0]
    assert "not checked" in check(tracking_uri=REMOTE, **BASIC, tracking_insecure_tls=True)[0]


def test_credentials_without_an_address_are_kept_with_a_warning() -> None:
    for method in (TOKEN, BASIC):
        (warning,) = check(**method)
        assert "have no effect: mlx tracker update team --tracking_uri=https://..." in warning


def test_only_this_machine_is_loopback() -> None:
    assert [
        host
        for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1", "a.localhost")
        if not is_loopback(host)
    ] == []
    assert [
        host
        for host in ("127.evil.com", "localhost.evil.com", "0.0.0.0", "127.0.0", "10.0.0.1")
        if is_loopback(host)
    ] == []


def test_the_rules_get_the_attributes_and_whether_the_server_is_anonymous() -> None:
    assert validate_tracker("t", {"tracking_uri": REMOTE}, anonymous=True) == []


def test_looking_at_the_flavor_does_not_import_mlflow() -> None:
    program = "import sys, mlxkit.integrations.mlflow.flavor; sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
