"""What can be done with secrets, over the encrypted file; `test_vault.py` is about being interrupted."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from mlxkit.errors import AlreadyExistsError, CredentialsError, MlxError, NotFoundError, UsageError
from mlxkit.secrets.masking import mask_text
from mlxkit.secrets.service import SecretService
from mlxkit.secrets.stores.encrypted_file import EncryptedFileStore


@pytest.fixture(autouse=True)
def _file_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    key.write_bytes(base64.b64encode(bytes(32)))
    key.chmod(0o600)
    monkeypatch.setenv("MLX_KEYRING_KEY_FILE", str(key))
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "file")


@pytest.fixture
def secrets() -> SecretService:
    return SecretService()


def test_a_new_secret_can_be_found_and_read_by_another_process_s_service(secrets: SecretService) -> None:
    listing = secrets.create("db", {"user": "u", "password": "p"})
    assert (listing.name, listing.keys, listing.store, listing.state) == (
        "db",
        ("user", "password"),
        "encrypted file",
        "",
    )
    other = SecretService()
    assert other.list() == [listing]
    assert other.reveal("db") == {"user": "u", "password": "p"}
    assert other.value("db", "user") == "u"


def test_no_record_but_the_revealed_one_has_a_value(secrets: SecretService) -> None:
    secrets.create("db", {"password": "S3CR3T-value"})
    for shown in (
        secrets.list(),
        secrets.get("db"),
        secrets.stores(),
        secrets.where("db"),
        secrets.lookup("db"),
    ):
        assert "S3CR3T" not in repr(shown)
    for record in (
        secrets.get("db"),
        secrets.get_key("db", "password"),
        *secrets.stores(),
        *secrets.where("db"),
    ):
        assert "S3CR3T" not in str(record.to_dict())
    revealed = secrets.revealed("db")
    assert "S3CR3T" not in repr(revealed)
    assert revealed.to_dict()["values"] == {"password": "S3CR3T-value"}


def test_create_refuses_a_name_that_is_taken_and_keeps_the_value(secrets: SecretService) -> None:
    secrets.create("my-db", {"k": "old"})
    for name in ("my-db", "MY-DB", "my_db"):
        with pytest.raises(AlreadyExistsError, match="my-db"):
            secrets.create(name, {"k": "new"})
    assert secrets.reveal("my-db") == {"k": "old"}


@pytest.mark.parametrize("values", [{}, {"k": ""}, {"a b": "x"}, {"k": "\udcff"}])
def test_create_refuses_what_could_not_be_used(secrets: SecretService, values: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        secrets.create("db", values)
    assert secrets.list() == []
    assert EncryptedFileStore().read("db") is None


def test_create_does_not_take_the_place_of_what_only_the_store_knows(secrets: SecretService) -> None:
    EncryptedFileStore().write("db", {"by": "hand"})
    with pytest.raises(AlreadyExistsError):
        secrets.create("db", {"k": "v"})
    assert secrets.reveal("db") == {"by": "hand"}


def test_what_only_the_store_knows_is_taken_up_when_it_is_asked_for(secrets: SecretService) -> None:
    EncryptedFileStore().write("db", {"by": "hand"})
    assert secrets.list() == []
    assert secrets.get("db").keys == ("by",)
    assert [listing.name for listing in secrets.list()] == ["db"]


def test_update_sets_adds_and_removes_keys(secrets: SecretService) -> None:
    secrets.create("db", {"a": "1", "b": "2", "c": "3"})
    assert secrets.update("db", {"a": "11", "d": "4"}, remove=["b"]).keys == ("a", "c", "d")
    assert secrets.reveal("db") == {"a": "11", "c": "3", "d": "4"}


def test_another_service_of_this_process_sees_the_new_value_at_once(secrets: SecretService) -> None:
    secrets.create("db", {"k": "old"})
    other = SecretService()
    assert other.reveal("db") == {"k": "old"}
    secrets.update("db", {"k": "new"})
    assert other.reveal("db") == {"k": "new"}
    secrets.delete("db")
    secrets.create("db", {"k": "newest"})
    assert other.reveal("db") == {"k": "newest"}


@pytest.mark.parametrize(
    ("values", "remove", "error"),
    [
        ({}, [], UsageError),
        ({}, ["a"], UsageError),
        ({}, ["b"], NotFoundError),
        ({"a": "2"}, ["a"], NotFoundError),
        ({"a": ""}, [], UsageError),
        ({"a b": "x"}, [], UsageError),
    ],
)
def test_an_update_that_makes_no_sense_changes_nothing(
    secrets: SecretService, values: dict[str, str], remove: list[str], error: type[MlxError]
) -> None:
    secrets.create("db", {"a": "1"})
    with pytest.raises(error):
        secrets.update("db", values, remove=remove)
    assert secrets.reveal("db") == {"a": "1"}
    assert secrets.get("db").state == ""


def test_a_name_that_stands_for_nothing_is_not_found_everywhere_with_a_suggestion(
    secrets: SecretService,
) -> None:
    secrets.create("mlflow_secret", {"k": "v"})
    for call in (
        lambda: secrets.get("mlflow_secrt"),
        lambda: secrets.get_key("mlflow_secrt", "k"),
        lambda: secrets.reveal("mlflow_secrt"),
        lambda: secrets.value("mlflow_secrt", "k"),
        lambda: secrets.update("mlflow_secrt", {"k": "v"}),
        lambda: secrets.rename("mlflow_secrt", "x"),
        lambda: secrets.delete("mlflow_secrt"),
        lambda: secrets.export(["mlflow_secrt"]),
        lambda: secrets.where("mlflow_secrt"),
    ):
        with pytest.raises(NotFoundError, match="did you mean 'mlflow_secret'"):
            call()
    assert secrets.lookup("mlflow_secrt") is None
    assert secrets.lookup("../../etc") is None


def test_a_key_that_is_not_there_is_not_found_with_a_suggestion(secrets: SecretService) -> None:
    secrets.create("db", {"password": "S3CR3T"})
    for call in (lambda: secrets.value("db", "pasword"), lambda: secrets.get_key("db", "pasword")):
        with pytest.raises(NotFoundError, match="did you mean 'password'") as raised:
            call()
        assert "S3CR3T" not in str(raised.value)


def test_rename_moves_the_values(secrets: SecretService) -> None:
    secrets.create("old", {"k": "v"})
    secrets.rename("old", "new")
    assert [listing.name for listing in secrets.list()] == ["new"]
    assert secrets.reveal("new") == {"k": "v"}
    assert EncryptedFileStore().read("old") is None


def test_rename_takes_a_name_that_differs_in_a_dash_only(secrets: SecretService) -> None:
    secrets.create("my-db", {"k": "v"})
    secrets.rename("my-db", "my_db")
    assert secrets.names() == ["my_db"]
    assert secrets.reveal("my_db") == {"k": "v"}


def test_rename_refuses_a_name_that_is_taken(secrets: SecretService) -> None:
    secrets.create("a", {"k": "a"})
    secrets.create("b-b", {"k": "b"})
    for name in ("b-b", "B_B"):
        with pytest.raises(AlreadyExistsError):
            secrets.rename("a", name)
    with pytest.raises(UsageError):
        secrets.rename("a", "A")
    assert secrets.export() == {"a": {"k": "a"}, "b-b": {"k": "b"}}


def test_delete_leaves_nothing(secrets: SecretService) -> None:
    secrets.create("db", {"k": "v"})
    secrets.delete("db")
    assert secrets.list() == []
    assert secrets.lookup("db") is None
    assert EncryptedFileStore().read("db") is None


def test_a_secret_whose_store_cannot_be_asked_can_be_forgotten(
    secrets: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.create("db", {"k": "v"})
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "os")
    elsewhere = SecretService()
    with pytest.raises(CredentialsError, match="leaves that out"):
        elsewhere.delete("db")
    assert elsewhere.names() == ["db"]
    elsewhere.delete("db", force=True)
    assert elsewhere.names() == []


def test_a_value_that_something_else_removed_is_explained(secrets: SecretService) -> None:
    secrets.create("db", {"k": "v"})
    EncryptedFileStore().delete("db")
    with pytest.raises(CredentialsError, match="no longer in the encrypted file") as raised:
        secrets.reveal("db")
    assert raised.value.hint == "mlx secret delete db, then mlx secret create db"
    secrets.delete("db")
    secrets.create("db", {"k": "again"})
    assert secrets.reveal("db") == {"k": "again"}


def test_the_environment_counts_before_the_store_key_by_key(
    secrets: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.create("my-db", {"user": "stored user", "api.key": "stored key"})
    monkeypatch.setenv("MLX_SECRET_MY_DB__API_KEY", "given key")
    monkeypatch.setenv("MLX_SECRET_MY_DB__EXTRA", "given extra")
    assert secrets.reveal("my-db") == {"user": "stored user", "api.key": "given key", "extra": "given extra"}
    assert secrets.get("my-db").keys == ("user", "api.key", "extra")
    assert secrets.export() == {"my-db": {"user": "stored user", "api.key": "stored key"}}
    places = [(place.name, place.keys) for place in secrets.where("my-db")]
    assert places == [("environment", ("api_key", "extra")), ("encrypted file", ("user", "api.key"))]


def test_a_key_that_the_environment_has_needs_no_store(
    secrets: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.create("db", {"user": "u", "password": "p"})
    monkeypatch.delenv("MLX_KEYRING_KEY_FILE")
    monkeypatch.setattr("mlxkit.secrets.stores.encrypted_file._opened", {})
    monkeypatch.setattr("mlxkit.secrets.vault._read", {})
    monkeypatch.setenv("MLX_SECRET_DB__PASSWORD", "given")
    service = SecretService()
    resolved = service.resolve({"f": "<<db.password>>"})["f"]
    assert not isinstance(resolved, str)
    assert resolved.reveal() == "given"
    with pytest.raises(CredentialsError, match="MLX_KEYRING_KEY_FILE"):
        service.resolve({"f": "<<db.user>>"})


def test_a_secret_of_the_environment_alone_can_be_read_and_not_changed(
    secrets: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_SECRET_CI__TOKEN", "given-token")
    (listing,) = secrets.list()
    assert (listing.name, listing.keys, listing.store) == ("ci", ("token",), "environment")
    assert secrets.reveal("ci") == {"token": "given-token"}
    assert mask_text("given-token") == "***"
    for call in (
        lambda: secrets.update("ci", {"token": "x"}),
        lambda: secrets.delete("ci"),
        lambda: secrets.rename("ci", "other"),
    ):
        with pytest.raises(UsageError, match=r"MLX_SECRET_CI__\.\.\."):
            call()


def test_a_resolved_value_is_read_once_a_process(
    secrets: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.create("db", {"a": "1", "b": "2"})
    reads: list[str] = []
    read = EncryptedFileStore.read
    monkeypatch.setattr(EncryptedFileStore, "read", lambda self, name: reads.append(name) or read(self, name))
    monkeypatch.setattr("mlxkit.secrets.vault._read", {})
    for _ in range(3):
        SecretService().resolve({"x": "<<db.a>>:<<db.b>>", "y": "<<db.a>>"})
    assert reads == ["db"]


def test_missing_references_are_suggested_from_all_names(secrets: SecretService) -> None:
    secrets.create("mlflow_secret", {"password": "p"})
    with pytest.raises(CredentialsError, match=r"did you mean 'mlflow_secret'") as raised:
        secrets.resolve({"a": "<<mlflow_secrt.password>>", "b": "<<mlflow_secret.pasword>>"})
    assert "did you mean 'password'" in raised.value.message


def test_import_takes_all_or_nothing(secrets: SecretService) -> None:
    secrets.create("b", {"k": "old"})
    with pytest.raises(AlreadyExistsError, match="already there: b"):
        secrets.import_({"a": {"k": "1"}, "b": {"k": "2"}})
    with pytest.raises(UsageError):
        secrets.import_({"a": {"k": "1"}, "c d": {"k": "2"}})
    with pytest.raises(UsageError):
        secrets.import_({"a": {"k": "1"}, "c": {}})
    with pytest.raises(AlreadyExistsError):
        secrets.import_({"x-y": {"k": "1"}, "x_y": {"k": "2"}})
    with pytest.raises(AlreadyExistsError):
        secrets.import_({"B": {"k": "1"}}, replace=True)
    assert secrets.export() == {"b": {"k": "old"}}


def test_import_replaces_when_it_is_told_to(secrets: SecretService) -> None:
    secrets.create("b", {"k": "old", "gone": "x"})
    secrets.import_({"a": {"k": "1"}, "b": {"k": "2", "empty": ""}}, replace=True)
    assert secrets.export() == {"a": {"k": "1"}, "b": {"k": "2", "empty": ""}}


def test_export_gives_those_that_are_named(secrets: SecretService) -> None:
    for name in ("a", "b", "c"):
        secrets.create(name, {"k": name})
    assert secrets.export(["c", "a"]) == {"c": {"k": "c"}, "a": {"k": "a"}}


def test_the_stores_are_listed_with_what_is_in_them_and_why_not(
    secrets: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets.create("db", {"k": "v"})
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "auto")
    monkeypatch.setenv("MLX_SECRET_CI__TOKEN", "given")
    environment, keyring, file = SecretService().stores()
    assert (environment.name, environment.is_usable, environment.secrets) == ("environment", True, ("ci",))
    assert (keyring.name, keyring.is_usable, keyring.is_default) == ("keyring", False, False)
    assert "cannot work here" in keyring.note
    assert (file.name, file.is_usable, file.is_default, file.secrets) == (
        "encrypted file",
        True,
        True,
        ("db",),
    )
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "os")
    (left_out,) = [record for record in SecretService().stores() if record.name == "encrypted file"]
    assert (left_out.is_usable, left_out.secrets) == (False, ("db",))


def test_a_mounted_file_that_cannot_be_read_is_in_the_way_of_nothing_else(
    secrets: SecretService, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = home / "mounted"
    (folder / "db").mkdir(parents=True)
    (folder / "db" / "good").write_text("fine")
    (folder / "db" / "bad").write_bytes(b"S3CR3T\xff")
    monkeypatch.setenv("MLX_SECRETS_DIR", str(folder))
    secrets.create("other", {"k": "v"})
    assert [listing.name for listing in secrets.list()] == ["db", "other"]
    assert secrets.get("db").keys == ("bad", "good")
    assert [place.keys for place in secrets.where("db")] == [("bad", "good")]
    assert secrets.value("db", "good") == "fine"
    assert secrets.reveal("other") == {"k": "v"}
    with pytest.raises(CredentialsError, match="mounted/db/bad is not UTF-8 text"):
        secrets.value("db", "bad")
