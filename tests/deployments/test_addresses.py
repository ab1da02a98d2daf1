"""Names, hosts, ports, sizes and tokens as they are asked for."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from mlxkit.config.names import name_problem
from mlxkit.deployments.addresses import check_address, exposure, name_for, url_of
from mlxkit.deployments.sizes import size_of, size_text
from mlxkit.deployments.token import check_token, resolve_token
from mlxkit.errors import CredentialsError, MlxError, UsageError
from mlxkit.stacks.listening import is_taken, listen


@pytest.mark.parametrize(
    ("model", "name"),
    [("iris", "iris"), ("My model", "My-model"), ("catalog.schema.m", "catalog.schema.m"), ("_x", "x"), ("模型", "model"), ("a" * 300, "a" * 100)],
)  # fmt: skip
def test_a_models_name_becomes_a_valid_one(model: str, name: str) -> None:
    assert name_for(model) == name
    assert name_problem(name) is None


@pytest.mark.parametrize(("host", "port"), [("", 0), ("a b", 0), ("127.0.0.1/x", 0), ("x", -1), ("x", 65536)])
def test_what_cannot_be_listened_on_is_refused(host: str, port: int) -> None:
    with pytest.raises(UsageError):
        check_address(host, port)


def test_loopback_needs_no_warning_and_the_rest_says_who_can_call() -> None:
    assert exposure("127.0.0.1", has_token=False) is None
    assert exposure("localhost", has_token=False) is None
    assert "--token" in (exposure("0.0.0.0", has_token=False) or "")
    assert "--token" not in (exposure("192.168.1.5", has_token=True) or "--token")


def test_a_url_is_one_that_can_be_called_from_here() -> None:
    assert url_of("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert url_of("::", 80) == "http://[::1]:80"
    assert url_of("127.0.0.1", None) == ""


def test_a_port_is_free_until_somebody_listens() -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert is_taken("127.0.0.1", port)
    assert not is_taken("127.0.0.1", port)


def test_looking_at_a_port_is_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        socket.socket, "listen", lambda *_: pytest.fail("it listens on the port for a moment")
    )
    assert not is_taken("127.0.0.1", 0)


def test_a_name_is_looked_for_and_listened_on_at_the_same_address() -> None:
    with closing(listen("localhost", 0)) as listener:
        assert is_taken("localhost", listener.getsockname()[1])


@pytest.mark.parametrize(
    ("text", "size"), [("32MB", 32 << 20), ("1gb", 1 << 30), ("500 KiB", 500 << 10), ("7", 7), ("1.5m", 3 << 19), (9, 9)]
)  # fmt: skip
def test_sizes_are_read(text: str | int, size: int) -> None:
    assert size_of(text, what="--max-body") == size


@pytest.mark.parametrize("text", ["", "much", "-1MB", "0", "1TBB", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--max-body"):
        size_of(text, what="--max-body")


def test_a_size_that_is_written_holds_what_was_measured() -> None:
    assert size_text(32 << 20) == "32MB"
    assert size_text((32 << 20) + 1) == "32.1MB"
    for size in (1, 1023, 1024, 1025, 5_000_001, (1 << 30) + 5):
        assert size_of(size_text(size), what="x") >= size


@pytest.mark.parametrize(
    "text", ["s3cr3t-value", "", "<<a.b>>x", "<<a.b>><<c.d>>", "Bearer <<a.b>>", "<<a.b|url>>"]
)
def test_a_token_is_a_reference_and_a_value_is_not_shown(text: str) -> None:
    with pytest.raises(MlxError) as refused:
        check_token(text)
    assert "s3cr3t" not in refused.value.message
    assert "mlx secret create" in (refused.value.hint or "")


def test_a_token_is_stored_as_the_reference() -> None:
    assert check_token(" {{ serving.token }} ") == "<<serving.token>>"
    assert check_token(None) is None


@pytest.mark.parametrize("value", ["two words", "line\n", "umläut", ""])
def test_a_token_that_no_header_can_hold_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_SECRET_SERVING__TOKEN", value)
    with pytest.raises(CredentialsError) as refused:
        resolve_token("<<serving.token>>")
    assert value == "" or value not in refused.value.message


def test_a_token_of_a_secret_that_is_missing_says_so() -> None:
    with pytest.raises(CredentialsError, match="no secret named 'serving'"):
        resolve_token("<<serving.token>>")
