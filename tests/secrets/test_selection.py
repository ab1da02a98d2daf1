from __future__ import annotations

from pathlib import Path

import pytest

from mlxkit.errors import ConfigError, CredentialsError
from mlxkit.secrets.selection import Stores
from mlxkit.secrets.stores import master_key
from mlxkit.secrets.stores.protocol import StoreUnusableError


@pytest.fixture(autouse=True)
def _nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(master_key, "_ask", None)


@pytest.mark.parametrize(
    ("choice", "stores"),
    [
        ("", ["keyring", "encrypted file"]),
        ("auto", ["keyring", "encrypted file"]),
        ("os", ["keyring"]),
        ("keyring", ["keyring"]),
        ("file", ["encrypted file"]),
        ("env", []),
        ("some.module.Keyring", ["some.module.Keyring"]),
    ],
)
def test_the_variable_says_which_stores_there_are(
    monkeypatch: pytest.MonkeyPatch, choice: str, stores: list[str]
) -> None:
    monkeypatch.setenv("MLX_SECRETS_BACKEND", choice)
    assert [store.name for store in Stores().keeping] == stores


def test_a_misspelt_choice_is_an_error_with_a_suggestion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "fil")
    with pytest.raises(ConfigError, match=r"MLX_SECRETS_BACKEND=fil.*did you mean 'file'"):
        Stores()


def test_without_any_store_all_reasons_and_the_three_ways_out_are_given() -> None:
    with pytest.raises(CredentialsError) as raised:
        Stores().for_new()
    message = raised.value.message
    assert "keyring: keyring.backends.SecretService.Keyring cannot work here" in message
    assert "encrypted file: none of MLX_KEYRING_KEY_FILE" in message
    for way in (
        "1. a keyring",
        "2. an encrypted file: MLX_KEYRING_PASSWORD_FILE",
        "3. no store: MLX_SECRET_<NAME>__<KEY>",
    ):
        assert way in message


def test_the_null_keyring_of_a_ci_image_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    monkeypatch.setenv("MLX_KEYRING_PASSWORD", "pw")
    store, passed_over = Stores().for_new()
    assert store.name == "encrypted file"
    assert [problem.reason for problem in passed_over] == [
        "PYTHON_KEYRING_BACKEND names keyring.backends.null.Keyring, which stores nothing"
    ]


def test_a_locked_keyring_is_passed_over_when_there_is_a_file(
    locked_keyring: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_KEYRING_PASSWORD", "pw")
    monkeypatch.setenv("MLX_KEYRING_TIMEOUT", "3")
    store, passed_over = Stores().for_new()
    assert store.name == "encrypted file"
    assert [problem.store for problem in passed_over] == ["keyring"]


def test_a_working_keyring_comes_first(real_keyring: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_KEYRING_PASSWORD", "pw")
    store, passed_over = Stores().for_new()
    assert (store.name, passed_over) == ("keyring", [])


def test_nothing_can_be_stored_when_only_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "env")
    with pytest.raises(CredentialsError, match="only reads secrets from the environment"):
        Stores().for_new()


def test_a_secret_in_a_store_that_is_left_out_says_how_to_get_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "os")
    with pytest.raises(StoreUnusableError, match="MLX_SECRETS_BACKEND=os leaves that out"):
        Stores().named("encrypted file", "db")
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "auto")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "a.B")
    with pytest.raises(StoreUnusableError, match=r"PYTHON_KEYRING_BACKEND=a\.B leaves that out"):
        Stores().named("keyring", "db")


def test_the_reason_is_given_for_a_key_file_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLX_KEYRING_KEY_FILE", str(tmp_path / "gone"))
    with pytest.raises(CredentialsError, match=r"MLX_KEYRING_KEY_FILE: there is no file .*gone"):
        Stores().for_new()
