"""Addresses after their references are resolved: the rules of registration, and no part of a secret in a message."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ConfigError, MlxError, UnreachableError
from mlxkit.integrations.mlflow.tracker import MlflowTracker
from mlxkit.secrets.references import resolve
from mlxkit.stacks.addresses import bare_address
from mlxkit.stacks.resolve import ResolvedComponent

SECRET = "s3cretpart/rest"


def tracker(template: str, value: str, **attributes: Any) -> MlflowTracker:
    given: dict[str, Any] = dict(resolve({"tracking_uri": template}, lambda name: {"k": value, "u": "me"}))
    return MlflowTracker(
        ResolvedComponent("experiment_tracker", "team", "mlflow", {**given, **attributes}), Path.cwd()
    )


@pytest.mark.parametrize(
    ("template", "value", "kind"),
    [
        ("postgresql://<<s.u>>:<<s.k>>@127.0.0.1:1/x", SECRET, ConfigError),
        ("postgresql://<<s.u>>:<<s.k>>@127.0.0.1:1/x", "12/s3cretpart", ConfigError),
        ("postgresql://<<s.u>>:<<s.k>>@127.0.0.1:1/x", "12?s3cretpart", ConfigError),
        ("postgresql://<<s.u>>:<<s.k>>@127.0.0.1:1/x", "12#s3cretpart", ConfigError),
        ("postgresql://<<s.u>>:<<s.k>>@127.0.0.1:1/x", "a@s3cretpart", ConfigError),
        ("postgresql://<<s.u>>:<<s.k>>@127.0.0.1:1/x", "a[s3cretpart", ConfigError),
        ("postgresql://<<s.u>>:<<s.k>>@127.0.0.1:1/x", "a\ns3cretpart", ConfigError),
        ("http://127.0.0.1:<<s.k>>/x", SECRET, ConfigError),
        ("http://[<<s.k>>", SECRET, ConfigError),
        ("http://<<s.k>>/x", f"{SECRET}\n", ConfigError),
        ("http://<<s.k>>.invalid/x", "s3cretpart", UnreachableError),
        ("http://<<s.k>>/x", "127.0.0.1:1/s3cretpart", UnreachableError),
        ("postgresql://<<s.k>>.invalid/x", "s3cretpart", UnreachableError),
        ("<<s.k>>", "s3cretpart:x", ConfigError),
    ],
)
def test_no_part_of_a_resolved_address_is_quoted(template: str, value: str, kind: type[MlxError]) -> None:
    with pytest.raises(kind) as caught:
        tracker(template, value).preflight()
    assert "s3cretpart" not in f"{caught.value.message} {caught.value.hint}"
    if kind is ConfigError:
        assert "|url" in str(caught.value.hint)
        assert "s3cretpart" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("mlflow.example.com", "names a folder"),
        ("ftp://x", "unknown scheme; MLflow knows"),
        ("free text", "contains a blank"),
        ("", "names a folder"),
        ("http://u:pw@host", "holds credentials"),
        ("http://u:12/pw@host", "holds credentials"),
        ("file:///data", "names a folder"),
        ("http://", "has no host"),
        ("http://host/#/experiments/0", "holds a query or a fragment"),
        ("http://host?x=1", "holds a query or a fragment"),
        ("sqlite://", "names no database file"),
        ("sqlite:///", "names no database file"),
        ("http://a..b/", "is not a valid address"),
        (f"http://{'a' * 64}.example.com", "is not a valid address"),
        ("http://host/ü", "has to be percent-encoded"),
    ],
)
def test_a_resolved_address_follows_the_rules_of_a_written_one(value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"tracker 'team': tracking_uri: .*{message}"):
        tracker("<<s.k>>", value)


@pytest.mark.parametrize("host", ["https://u:pw@h", "ftp://h", "h?x=1", ""])
def test_a_resolved_workspace_follows_them_too(host: str) -> None:
    given = resolve({"databricks_host": "<<s.k>>"}, lambda name: {"k": host})
    with pytest.raises(ConfigError, match="databricks_host"):
        tracker("databricks", "", **given)


def test_a_database_may_have_its_credentials_in_a_secret() -> None:
    made = tracker("<<s.k>>", "postgresql://u:p%2Fw@db.example.com:5/mlflow?sslmode=require").connection
    assert made.tracking_uri == "postgresql://u:p%2Fw@db.example.com:5/mlflow?sslmode=require"
    assert made.shown_uri == "postgresql://db.example.com:5/mlflow"
    made = tracker("postgresql://<<s.u>>:<<s.k|url>>@h/x", SECRET).connection
    assert made.tracking_uri == "postgresql://me:s3cretpart%2Frest@h/x"


def test_a_bare_address_keeps_scheme_host_port_and_path() -> None:
    assert bare_address("postgresql://u:p@h:5/d?password=x") == "postgresql://h:5/d"
    assert bare_address("postgresql:///d?host=/run") == "postgresql:///d"
    assert bare_address("https://[::1]:5/a@b") == "https://[::1]:5/a@b"
    assert bare_address("sqlite:////home/a@b/c#.db") == "sqlite:////home/a@b/c#.db"
    assert bare_address("databricks") == "databricks"
