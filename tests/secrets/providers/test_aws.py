"""AWS Secrets Manager: boto3 against moto's server, which speaks the protocol and checks no signature."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import pytest

from mlxkit.errors import ExitCode, NotFoundError
from mlxkit.secrets.masking import mask_text
from mlxkit.secrets.service import SecretService
from mlxkit.secrets.stores.protocol import StoreUnusableError
from tests.fixtures.s3_server import S3Server

from .conftest import Write

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
CANARY = "S3CR3T-in-the-cloud"


@pytest.fixture
def prefix(s3_server: S3Server, patient_providers: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """Credentials as a user has them, and a prefix of this test's own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return f"t{os.urandom(4).hex()}/"


@pytest.fixture
def manager(s3_server: S3Server, prefix: str) -> Any:
    return boto3.client("secretsmanager", endpoint_url=s3_server.url, region_name="eu-central-1")


@pytest.fixture
def team(s3_server: S3Server, prefix: str, manager: Any, project: Write) -> SecretService:
    manager.create_secret(Name=f"{prefix}db", SecretString=f'{{"username": "ada", "password": "{CANARY}"}}')
    return project(cloud=_body(s3_server, prefix))


def _body(server: S3Server, prefix: str, **more: str) -> dict[str, str]:
    return {"flavor": "aws", "region": "eu-central-1", "prefix": prefix, "endpoint_url": server.url, **more}


def _error(secrets: SecretService, name: str = "db") -> StoreUnusableError:
    with pytest.raises(StoreUnusableError) as caught:
        secrets.reveal(name)
    assert caught.value.exit_code is ExitCode.credentials
    assert caught.value.hint
    return caught.value


def test_a_secret_is_read_listed_resolved_and_masked(team: SecretService) -> None:
    assert team.reveal("db") == {"username": "ada", "password": CANARY}
    assert [(item.name, item.store) for item in team.list()] == [("db", "aws cloud")]
    assert str(team.resolve({"p": "<<db.password>>"})["p"]) == "***"
    assert mask_text(CANARY) == "***"
    assert team.stores()[-1].secrets == ("db",)


def test_a_plain_text_has_the_key_value_and_bytes_are_refused(
    team: SecretService, manager: Any, prefix: str
) -> None:
    manager.create_secret(Name=f"{prefix}plain", SecretString="just this")
    manager.create_secret(Name=f"{prefix}bytes", SecretBinary=b"\x00\xff")
    assert team.reveal("plain") == {"value": "just this"}
    assert "holds bytes, not text" in _error(team, "bytes").message


def test_the_current_version_is_read(team: SecretService, manager: Any, prefix: str) -> None:
    manager.put_secret_value(SecretId=f"{prefix}db", SecretString='{"password": "newer"}')
    assert team.reveal("db") == {"password": "newer"}


def test_only_names_below_the_prefix_that_can_be_referred_to_are_listed(
    team: SecretService, manager: Any, prefix: str
) -> None:
    for name in (f"{prefix}sub/inner", f"{prefix}with space", f"other-{prefix}x"):
        manager.create_secret(Name=name.replace(" ", "+"), SecretString="x")
    assert [item.name for item in team.list()] == ["db"]
    (note,) = team.team.notes
    assert "no reference can name it: sub/inner, with+space; one with the prefix of a folder" in note


def test_keys_are_read_by_the_same_rule_as_those_of_other_providers(
    team: SecretService, manager: Any, prefix: str
) -> None:
    manager.create_secret(
        Name=f"{prefix}odd", SecretString='{"nested": {"port": 5432, "f": 1.50}, "a b": "x"}'
    )
    manager.create_secret(Name=f"{prefix}empty", SecretString="{}")
    assert team.reveal("odd") == {"nested": '{"port": 5432, "f": 1.50}'}
    assert "1 of the keys" in team.team.notes[0]
    assert "has no keys" in _error(team, "empty").message


def test_more_names_than_one_page_holds_are_listed(team: SecretService, manager: Any, prefix: str) -> None:
    for number in range(105):
        manager.create_secret(Name=f"{prefix}n{number:03}", SecretString="x")
    assert len(team.list()) == 106


def test_a_secret_that_is_not_there_is_not_found(team: SecretService) -> None:
    with pytest.raises(NotFoundError, match="did you mean 'db'"):
        team.reveal("dbb")


def test_one_that_is_marked_for_deletion_is_named_so(team: SecretService, manager: Any, prefix: str) -> None:
    manager.delete_secret(SecretId=f"{prefix}db")
    error = _error(team)
    assert "marked for deletion" in error.message
    assert "restore-secret" in str(error.hint)


def test_nothing_is_written(team: SecretService, prefix: str) -> None:
    with pytest.raises(StoreUnusableError, match="mlx only reads there") as caught:
        team.delete("db")
    assert f"put-secret-value --secret-id {prefix}db" in str(caught.value.hint)
    assert team.reveal("db")


def test_without_credentials_it_says_how_to_log_in(
    team: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = _error(team)
    assert "no credentials for AWS" in error.message
    assert "aws sso login" in str(error.hint)


def test_without_a_region_or_with_a_profile_that_is_none_it_says_so(
    s3_server: S3Server, prefix: str, project: Write
) -> None:
    assert "no region" in _error(project(cloud={"flavor": "aws"})).message
    assert (
        "has no profile 'nobody'" in _error(project(cloud=_body(s3_server, prefix, profile="nobody"))).message
    )


def test_a_server_that_does_not_answer_is_named(prefix: str, project: Write) -> None:
    secrets = project(cloud={"flavor": "aws", "region": "eu-central-1", "endpoint_url": "http://127.0.0.1:9"})
    assert "http://127.0.0.1:9 does not answer" in _error(secrets).message


@pytest.mark.parametrize(
    ("code", "said", "hint"),
    [
        ("AccessDeniedException", "access denied", "secretsmanager:GetSecretValue"),
        ("ExpiredTokenException", "has expired", "aws sso login"),
        ("UnrecognizedClientException", "does not know the access key", "AWS_ACCESS_KEY_ID"),
        ("DecryptionFailure", "AWS answers DecryptionFailure", "secretsmanager:GetSecretValue"),
    ],
)
def test_what_aws_refuses_is_said_in_words(
    team: SecretService, monkeypatch: pytest.MonkeyPatch, code: str, said: str, hint: str
) -> None:
    """moto has no policies: the refusal is what boto3 is told instead of an answer."""
    refusal = {"Error": {"Code": code, "Message": CANARY}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    monkeypatch.setattr("botocore.client.BaseClient._make_request", _refused(refusal))
    error = _error(team)
    assert said in error.message
    assert hint in str(error.hint)
    assert CANARY not in error.message + str(error.hint)


def _refused(refusal: Any) -> Any:
    class Response:
        status_code = 400

    return lambda *_: (Response(), refusal)


def test_names_that_may_not_be_listed_leave_the_reading_as_it_is(
    team: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.client import BaseClient

    real = BaseClient._make_request
    refusal = {"Error": {"Code": "AccessDeniedException"}, "ResponseMetadata": {}}

    def some(self: Any, operation: Any, *rest: Any) -> Any:
        if operation.name == "ListSecrets":
            return _refused(refusal)()
        return real(self, operation, *rest)

    monkeypatch.setattr(BaseClient, "_make_request", some)
    assert team.reveal("db")["password"] == CANARY
    assert team.list() == []
    assert "secretsmanager:ListSecrets" in str(team.team.problems[0].hint)
    assert team.stores()[-1].is_usable


def test_without_boto3_it_says_what_to_install(team: SecretService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert _error(team).hint == "pip install 'mlxkit[aws]'"


def test_a_log_at_debug_has_no_value(team: SecretService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("botocore", "boto3", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    assert team.reveal("db")
    assert CANARY not in caplog.text
    assert logging.getLogger("botocore").level == logging.DEBUG
