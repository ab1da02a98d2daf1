"""Which host names a server answers for, and the pages of which names may send something to it."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import pytest

from mlxkit.errors import UsageError
from mlxkit.integrations.mlflow.server.allowed import check_hosts, security
from mlxkit.integrations.mlflow.server.compose import compose_project
from mlxkit.integrations.mlflow.server.entry import ServerEntry
from mlxkit.integrations.mlflow.server.environment import server_environment
from mlxkit.integrations.mlflow.server.image import Served
from mlxkit.integrations.mlflow.server.kubernetes import manifests

HOSTS, ORIGINS = "MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"


def of_kubernetes(served: Served) -> dict[str, str]:
    """Return the environment of the server's container."""
    [server] = [item for item in manifests(served, "") if item["kind"] == "Deployment"]
    [container] = server["spec"]["template"]["spec"]["containers"]
    return {row["name"]: row.get("value", "") for row in container["env"]}


def matches(patterns: str, name: str) -> bool:
    """Say whether a name is allowed, as MLflow compares it."""
    return any(fnmatch.fnmatch(name, one) if "*" in one else name == one for one in patterns.split(","))


def test_in_every_provider_the_page_of_an_allowed_host_may_send() -> None:
    entry = ServerEntry("t", "127.0.0.1", 5077, "sqlite:////x", "/a", "s", ("team.example",))
    served = Served("team", "s", "i:1", "", ("team.example",), port=5077)
    found = {
        5077: server_environment(entry, Path("/f"), {"backend": "b", "secret_key": "k"}),
        5000: of_kubernetes(served),
    }
    compose = compose_project(served)["services"]["server"]["environment"]
    for port, environment in (*found.items(), (5077, compose)):
        for scheme in ("http", "https"):
            assert matches(environment[ORIGINS], f"{scheme}://team.example")
            assert matches(environment[ORIGINS], f"{scheme}://team.example:{port}")
        assert not matches(environment[ORIGINS], "https://evil.example")
        assert matches(environment[HOSTS], "team.example")
        assert matches(environment[HOSTS], "team.example:8443")


def test_a_wildcard_lets_in_what_is_below_it_and_means_nothing_more_as_an_expression() -> None:
    found = security(["*.team.example", "[::1]"], 5000)
    assert matches(found[HOSTS], "a.team.example:80")
    assert matches(found[HOSTS], "[::1]:5000")
    assert not matches(found[HOSTS], "team.example.evil")
    assert matches(found[ORIGINS], "https://a.team.example")
    assert matches(found[ORIGINS], "http://a.team.example:5000")
    assert not matches(found[ORIGINS], "https://a.team.example.evil")
    for one in found[ORIGINS].split(","):  # part of MLflow takes what has a star in it for an expression
        for origin in ("https://team.example.evil", "http://xteam.example", "https://a.team.example.evil"):
            assert not ("*" in one and re.match(one, origin)), one


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("*", "every name"),
        ("team.example,*", "every name"),
        ("a b", "'a b'"),
        ("https://x.y", "x.y"),
        ("x.y:8443", "port"),
        ("a\nb", "'a\\nb'"),
        ("a'b", "a'b"),
        ('a"b', "'a\"b'"),
        ("*.", "*."),
        ("a.*", "a.*"),
        ("-a", "-a"),
        ("x" * 64, "xx"),
    ],
)
def test_what_is_no_host_name_is_refused(given: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        check_hosts(given)
    assert words in f"{raised.value.message} {raised.value.hint}"


def test_names_addresses_and_wildcards_are_taken() -> None:
    given = "Team.Example, *.team.example,10.0.0.7,::1,[fe80::1],my_host,"
    assert check_hosts(given) == (
        "team.example", "*.team.example", "10.0.0.7", "[::1]", "[fe80::1]", "my_host",
    )  # fmt: skip


def test_a_service_is_reached_by_every_name_that_kubernetes_gives_it() -> None:
    named = of_kubernetes(Served("team", "s", "i:1", "", (), namespace="ml"))[HOSTS]
    for name in ("", ".ml", ".ml.svc", ".ml.svc.cluster.local"):
        assert matches(named, f"mlflow-team{name}:5000"), name
    assert not matches(named, "mlflow-team.default.svc:5000")
    anywhere = of_kubernetes(Served("team", "s", "i:1", "", ()))[HOSTS]
    for name in ("", ".default.svc", ".other.svc", ".other.svc.cluster.local"):
        assert matches(anywhere, f"mlflow-team{name}:5000"), name
    for name in ("mlflow-team.evil.example", "mlflow-team.svc.evil.example:5000", "evil.svc"):
        assert not matches(anywhere, name), name
