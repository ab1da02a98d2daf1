"""Servers, files and values that are not as they should be: each is named, none crashes anything."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ConfigError, CredentialsError, MlxError, UnreachableError
from mlxkit.integrations.mlflow.rest import plain
from mlxkit.integrations.mlflow.tracker import MlflowTracker
from mlxkit.integrations.mlflow.transport import tls_context
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.resolve import ResolvedComponent
from tests.fixtures.loopback import http_server, self_signed

from .conftest import Setting


def tracker(**attributes: Any) -> MlflowTracker:
    return MlflowTracker(
        ResolvedComponent("experiment_tracker", "team", "mlflow", attributes), Path.cwd() / ".mlx"
    )


@pytest.mark.parametrize("uri", ["sqlite:////no-such-folder/a.db", "sqlite:///no-such-folder/a.db"])
def test_a_database_in_a_folder_that_does_not_exist_does_not_answer(uri: str) -> None:
    for ask in (tracker(tracking_uri=uri).check, tracker(tracking_uri=uri).preflight):
        with pytest.raises(ConfigError, match=r"there is no folder .*no-such-folder"):
            ask()
    assert not Path("no-such-folder").exists()


def test_a_local_store_that_is_still_to_be_made_is_fine() -> None:
    assert tracker().check().scenario == "local"
    assert tracker(tracking_uri="sqlite:///a.db").check().scenario == "database"


def test_a_corrupt_database_does_not_answer(local: Setting) -> None:
    database = local.state_dir / "mlflow" / "mlflow.db"
    whole = database.read_bytes()
    damaged = whole[:8192] + b"\xff" * (len(whole) - 8192)
    for content in (b"", b"no database at all" * 100, damaged, whole[: len(whole) // 2]):
        for path in database.parent.glob("mlflow.db-*"):
            path.unlink()
        database.write_bytes(content)
        with pytest.raises(ConfigError, match="cannot be used"):
            local.make().check()


def test_another_program_s_database_does_not_answer(local: Setting) -> None:
    database = local.state_dir / "mlflow" / "mlflow.db"
    database.unlink()
    with sqlite3.connect(database) as link:
        link.execute("CREATE TABLE x (y)")
    with pytest.raises(ConfigError, match="no such table"):
        local.make().check()


@pytest.mark.parametrize(
    "token", ["hunter2\n", "hunter2\r\nX: y", "hunter2\u20ac", "hunter2\udc80", "a\0hunter2"]
)
def test_a_token_that_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(CredentialsError, match="tracking_token cannot be sent") as caught:
        tracker(tracking_uri="http://127.0.0.1:1", tracking_token=SecretValue(token))
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("password", ["", "hunter2\udc80"])
def test_a_password_that_cannot_be_sent_is_refused_with_its_attribute(password: str) -> None:
    with pytest.raises(CredentialsError, match=r"'team': tracking_password (is empty|cannot be sent)"):
        tracker(
            tracking_uri="http://127.0.0.1:1",
            tracking_username=SecretValue("me"),
            tracking_password=SecretValue(password),
        )


@pytest.mark.parametrize(
    "variable", ["MLFLOW_TRACKING_SERVER_CERT_PATH", "REQUESTS_CA_BUNDLE", "MLFLOW_TRACKING_CLIENT_CERT_PATH"]
)
def test_a_wrong_certificate_file_is_named(variable: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    made = tracker(tracking_uri="https://127.0.0.1:1")
    for path in (tmp_path / "missing.pem", empty):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(ConfigError) as caught:
            patch.setenv(variable, str(path))
            made.preflight()
        assert caught.value.message.startswith(f"{variable} is set to '{path}', which ")
        assert "http" not in str(caught.value.hint)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable, str(self_signed(tmp_path)))
        tls_context(insecure=False)


def test_escape_sequences_of_a_server_do_not_reach_the_terminal() -> None:
    told = b'{"error_code": "X\\u001b[2J", "message": "\\u001b]0;owned\\u0007\\u009b1m\\u202eno\\n"}'
    for status in (400, 403):
        with http_server(lambda request, body: (status, "application/json", told)) as uri:  # noqa: B023
            with pytest.raises(MlxError) as caught:
                tracker(tracking_uri=uri).preflight()
            assert caught.value.message.isprintable()
            assert "owned" in caught.value.message
    assert plain("a\x1b[2J\n\tb") == "a [2J b"


def test_json_nested_too_deep_is_not_mlflow() -> None:
    deep = b"[" * 200_000
    with http_server(lambda request, body: (200, "application/json", deep)) as uri:
        with pytest.raises(UnreachableError, match="is not MLflow"):
            tracker(tracking_uri=uri).preflight()
        with pytest.raises(UnreachableError, match="something else than JSON"):
            tracker(tracking_uri=uri)._backend.experiment("x")


@pytest.mark.parametrize(
    "told", [b'"expires_in": "soon"', b'"expires_in": null', b'"expires_in": NaN', b'"access_token": "a\\n"']
)
def test_a_token_from_a_server_that_cannot_be_used_is_refused(told: bytes) -> None:
    answer = b'{"access_token": "hunter2", %s}' % told
    with http_server(lambda request, body: (200, "application/json", answer)) as uri:
        made = tracker(
            tracking_uri="databricks",
            databricks_host=uri,
            databricks_client_id=SecretValue("me"),
            databricks_client_secret=SecretValue("hunter2"),
        )
        with pytest.raises(UnreachableError, match="issued a token that cannot be used") as caught:
            made.preflight()
    assert "hunter2" not in str(caught.value)
