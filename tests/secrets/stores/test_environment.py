from __future__ import annotations

from pathlib import Path

import pytest

from mlxkit.errors import CredentialsError
from mlxkit.secrets.stores.environment import EnvironmentStore
from mlxkit.secrets.stores.protocol import StoreUnusableError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "mounted"
    path.mkdir()
    monkeypatch.setenv("MLX_SECRETS_DIR", str(path))
    return path


def _mount(folder: Path, secret: str, **values: str) -> None:
    """Lay a secret out as Kubernetes does: links through a dated folder."""
    dated = folder / secret / "..2024_01_01"
    dated.mkdir(parents=True)
    (folder / secret / "..data").symlink_to(dated)
    for key, value in values.items():
        (dated / key).write_text(value)
        (folder / secret / key).symlink_to(Path("..data") / key)


def test_nothing_is_there_without_variables() -> None:
    store = EnvironmentStore()
    store.open()
    assert store.read("mlflow_secret") is None
    assert store.names() == set()


@pytest.mark.parametrize("name", ["mlflow_secret", "mlflow-secret", "Mlflow_Secret"])
def test_a_variable_gives_one_key_of_a_secret(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("MLX_SECRET_MLFLOW_SECRET__PASSWORD", "pw")
    store = EnvironmentStore()
    assert store.value(name, "password") == "pw"
    assert store.read(name) == {"password": "pw"}
    assert store.names() == {"mlflow_secret"}


def test_a_key_with_two_underscores_belongs_to_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_SECRET_A__B__C", "v")
    assert EnvironmentStore().read("a") == {"b__c": "v"}


@pytest.mark.parametrize(
    "variable", ["MLX_SECRET_A", "MLX_SECRET___K", "MLX_SECRET_A__", "MLX_SECRETS_A__K", "XMLX_SECRET_A__K"]
)
def test_other_variables_are_no_secrets(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "v")
    assert EnvironmentStore().names() == set()


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_SECRET_A__K", "")
    store = EnvironmentStore()
    assert (store.read("a"), store.value("a", "k"), store.names()) == (None, None, set())


def test_a_mounted_folder_gives_the_files_as_keys(folder: Path) -> None:
    _mount(folder, "db", password="pw\n", dsn="line\r\n", exact="two\n\n", plain="x")
    store = EnvironmentStore()
    assert store.read("db") == {"password": "pw", "dsn": "line", "exact": "two\n", "plain": "x"}
    assert store.names() == {"db"}


def test_a_variable_wins_over_the_file_and_takes_its_spelling(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _mount(folder, "my-db", **{"api.key": "from file", "other": "kept"})
    monkeypatch.setenv("MLX_SECRET_MY_DB__API_KEY", "from variable")
    store = EnvironmentStore()
    assert store.read("my-db") == {"api.key": "from variable", "other": "kept"}
    assert store.names() == {"my-db"}


@pytest.mark.parametrize(
    ("secret", "key"),
    [("..", "passwd"), ("db/..", "k"), ("db", "../x"), ("db", "..data"), ("/etc", "passwd"), ("db", "")],
)
def test_names_cannot_lead_out_of_the_folder(folder: Path, secret: str, key: str) -> None:
    (folder.parent / "passwd").write_text("outside")
    (folder / "x").write_text("outside")
    _mount(folder, "db", k="v")
    store = EnvironmentStore()
    assert store.value(secret, key) is None
    assert "outside" not in (store.read(secret) or {}).values()


def test_a_folder_that_was_named_and_is_not_there_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_SECRETS_DIR", "/nonexistent")
    with pytest.raises(StoreUnusableError, match="MLX_SECRETS_DIR names /nonexistent"):
        EnvironmentStore().open()


def test_a_file_that_is_not_text_is_an_error_without_its_content(folder: Path) -> None:
    (folder / "db").mkdir()
    (folder / "db" / "k").write_bytes(b"S3CR3T\xff")
    with pytest.raises(CredentialsError, match="not UTF-8") as raised:
        EnvironmentStore().read("db")
    assert "S3CR3T" not in str(raised.value)


def test_it_cannot_be_written() -> None:
    for call in (lambda: EnvironmentStore().write("a", {"k": "v"}), lambda: EnvironmentStore().delete("a")):
        with pytest.raises(StoreUnusableError, match="only be read"):
            call()
