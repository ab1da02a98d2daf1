from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlxkit.secrets.stores import encrypted_file, master_key
from mlxkit.secrets.stores.encrypted_file import EncryptedFileStore
from mlxkit.secrets.stores.protocol import StoreUnusableError

from .contract import StoreContract

CANARY = "S3CR3T-canary-value"


@pytest.fixture(autouse=True)
def _nothing_unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encrypted_file, "_opened", {})
    monkeypatch.setattr(master_key, "_ask", None)


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "key"
    path.write_bytes(base64.b64encode(bytes(range(32))) + b"\n")
    path.chmod(0o600)
    monkeypatch.setenv("MLX_KEYRING_KEY_FILE", str(path))
    return path


def _lock_again(monkeypatch: pytest.MonkeyPatch) -> EncryptedFileStore:
    """A store as another process sees it: nothing is unlocked yet."""
    monkeypatch.setattr(encrypted_file, "_opened", {})
    return EncryptedFileStore()


class TestEncryptedFileWithKeyFile(StoreContract):
    """The store's contract, unlocked by a key file."""

    @pytest.fixture(autouse=True)
    def _key(self, key_file: Path) -> None:
        pass

    def make(self) -> EncryptedFileStore:
        return EncryptedFileStore()


class TestEncryptedFileWithPassword(StoreContract):
    """The store's contract, unlocked by a password."""

    @pytest.fixture(autouse=True)
    def _password(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLX_KEYRING_PASSWORD", "pä ss")

    def make(self) -> EncryptedFileStore:
        return EncryptedFileStore()


def test_another_process_reads_it_with_the_same_password_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_KEYRING_PASSWORD", "right")
    EncryptedFileStore().write("s", {"k": CANARY})
    assert _lock_again(monkeypatch).read("s") == {"k": CANARY}
    monkeypatch.setenv("MLX_KEYRING_PASSWORD", "wrong")
    with pytest.raises(StoreUnusableError, match="wrong password or key from MLX_KEYRING_PASSWORD"):
        _lock_again(monkeypatch).open()


def test_neither_names_nor_values_are_readable_in_the_file(key_file: Path) -> None:
    store = EncryptedFileStore()
    store.write("mlflow_secret", {"password_key": CANARY})
    data = Path(store.location).read_bytes()
    assert set(json.loads(data)) == {"header", "body"}
    for word in (CANARY, "mlflow_secret", "password_key"):
        assert word.encode() not in data
        assert base64.b64encode(word.encode())[:10] not in data


def test_two_writes_of_the_same_secret_share_no_ciphertext(key_file: Path) -> None:
    store = EncryptedFileStore()
    bodies = []
    for _ in range(2):
        store.write("s", {"k": CANARY})
        bodies.append(base64.b64decode(json.loads(Path(store.location).read_bytes())["body"]))
    assert bodies[0][:12] != bodies[1][:12]
    assert bodies[0] != bodies[1]


@pytest.mark.parametrize("part", ["body", "key", "salt", "iterations", "version", "name", "extra"])
def test_a_changed_byte_anywhere_is_noticed(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    monkeypatch.setenv("MLX_KEYRING_PASSWORD", "pw")
    store = EncryptedFileStore()
    store.write("s", {"k": CANARY})
    path = Path(store.location)
    document = json.loads(path.read_bytes())
    header = document["header"]
    if part == "body":
        document["body"] = _flipped(document["body"])
    elif part == "key":
        header["key"] = _flipped(header["key"])
    elif part == "salt":
        header["kdf"]["salt"] = _flipped(header["kdf"]["salt"])
    elif part == "iterations":
        header["kdf"]["iterations"] = 1
    elif part == "version":
        header["version"] = 2
    elif part == "extra":
        header["kdf"]["note"] = "added by somebody"
    else:
        header["kdf"]["name"] = "rot13"
    path.write_text(json.dumps(document))
    with pytest.raises(StoreUnusableError):
        _lock_again(monkeypatch).read("s")


def _flipped(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[-1] ^= 1
    return base64.b64encode(bytes(data)).decode()


def test_a_header_that_asks_for_all_memory_is_refused_before_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLX_KEYRING_PASSWORD", "pw")
    store = EncryptedFileStore()
    store.write("s", {"k": "v"})
    path = Path(store.location)
    document = json.loads(path.read_bytes())
    document["header"]["kdf"]["memory_kib"] = 1 << 30
    path.write_text(json.dumps(document))
    with pytest.raises(StoreUnusableError, match="not known to this mlx"):
        _lock_again(monkeypatch).open()


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"header":{},"body":""}', b'{"header":3,"body":4}', b"\xff\xfe"]
)
def test_a_file_that_is_something_else_is_refused_and_left_alone(
    key_file: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    store = EncryptedFileStore()
    path = Path(store.location)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(StoreUnusableError):
        store.write("s", {"k": CANARY})
    assert path.read_bytes() == content


def test_a_password_does_not_open_what_a_key_file_locked(
    key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    EncryptedFileStore().write("s", {"k": "v"})
    monkeypatch.delenv("MLX_KEYRING_KEY_FILE")
    monkeypatch.setenv("MLX_KEYRING_PASSWORD", "pw")
    with pytest.raises(StoreUnusableError, match="made with a key file"):
        _lock_again(monkeypatch).open()


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_file_is_private_under_any_umask(key_file: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = EncryptedFileStore()
        store.write("s", {"k": "v"})
        store.write("s", {"k": "w"})
    finally:
        os.umask(before)
    path = Path(store.location)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_link_in_place_of_the_file_is_refused(key_file: Path, tmp_path: Path) -> None:
    store = EncryptedFileStore()
    elsewhere = tmp_path / "elsewhere"
    store.write("s", {"k": "v"})
    Path(store.location).rename(elsewhere)
    Path(store.location).symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    for call in (store.open, lambda: store.read("s"), lambda: store.write("s", {"k": "w"})):
        with pytest.raises(StoreUnusableError, match="is a link"):
            call()
    assert elsewhere.read_bytes() == before


def test_a_fifo_in_place_of_the_file_does_not_hang(key_file: Path) -> None:
    store = EncryptedFileStore()
    Path(store.location).parent.mkdir(parents=True)
    os.mkfifo(store.location)
    with pytest.raises(StoreUnusableError, match="is not a file"):
        store.open()


@pytest.mark.parametrize("variable", ["MLX_KEYRING_KEY_FILE", "MLX_KEYRING_PASSWORD_FILE"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_key_that_others_can_read_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, mode: int
) -> None:
    path = tmp_path / "my key"
    path.write_bytes(base64.b64encode(bytes(32)))
    path.chmod(mode)
    monkeypatch.setenv(variable, str(path))
    with pytest.raises(StoreUnusableError, match="can be read by others") as raised:
        EncryptedFileStore().open()
    assert raised.value.hint == f"chmod 600 '{path}'"


@pytest.mark.parametrize(
    "content", [b"", b"short", b"A" * 44, base64.b64encode(bytes(31)), base64.b64encode(bytes(33))]
)
def test_a_key_file_without_32_bytes_is_refused(key_file: Path, content: bytes) -> None:
    key_file.write_bytes(content)
    with pytest.raises(StoreUnusableError, match="does not hold 32 random bytes"):
        EncryptedFileStore().open()


@pytest.mark.parametrize("path", ["/nonexistent/file", "/tmp", "/dev/null"])
def test_a_password_file_that_is_none_is_a_reason(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("MLX_KEYRING_PASSWORD_FILE", path)
    with pytest.raises(StoreUnusableError, match="MLX_KEYRING_PASSWORD_FILE: "):
        EncryptedFileStore().open()


@pytest.mark.parametrize(
    ("content", "password"),
    [(b"pw\n", "pw"), (b"pw\r\n", "pw"), (b"pw", "pw"), (b"pw\n\n", "pw\n"), (b" pw ", " pw ")],
)
def test_a_password_file_loses_one_newline_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, password: str
) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    path.chmod(0o600)
    monkeypatch.setenv("MLX_KEYRING_PASSWORD", password)
    EncryptedFileStore().write("s", {"k": "v"})
    monkeypatch.delenv("MLX_KEYRING_PASSWORD")
    monkeypatch.setenv("MLX_KEYRING_PASSWORD_FILE", str(path))
    assert _lock_again(monkeypatch).read("s") == {"k": "v"}


def test_an_empty_password_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "password"
    path.write_bytes(b"\n")
    path.chmod(0o600)
    monkeypatch.setenv("MLX_KEYRING_PASSWORD_FILE", str(path))
    with pytest.raises(StoreUnusableError, match="is empty"):
        EncryptedFileStore().open()


def test_a_person_is_asked_twice_for_a_new_password_and_once_later(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "typed"

    master_key.ask_with(ask)
    EncryptedFileStore().open()
    assert asked == []
    EncryptedFileStore().write("s", {"k": "v"})
    assert len(asked) == 2
    assert _lock_again(monkeypatch).read("s") == {"k": "v"}
    assert len(asked) == 3
    assert EncryptedFileStore().read("s") == {"k": "v"}
    assert len(asked) == 3


def test_two_different_new_passwords_lock_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["one", "two"])
    master_key.ask_with(lambda prompt: next(answers))
    store = EncryptedFileStore()
    with pytest.raises(StoreUnusableError, match="differ"):
        store.write("s", {"k": "v"})
    assert not Path(store.location).exists()


def test_without_anything_to_unlock_it_the_reason_names_the_variables() -> None:
    with pytest.raises(
        StoreUnusableError, match="MLX_KEYRING_KEY_FILE, MLX_KEYRING_PASSWORD_FILE and MLX_KEYRING_PASSWORD"
    ):
        EncryptedFileStore().open()


def test_threads_that_write_different_secrets_lose_none(key_file: Path) -> None:
    threads = [
        threading.Thread(target=EncryptedFileStore().write, args=(f"s{number}", {"k": str(number)}))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = EncryptedFileStore()
    assert [store.read(f"s{number}") for number in range(20)] == [{"k": str(number)} for number in range(20)]


def test_a_full_disk_keeps_the_old_file(key_file: Path) -> None:
    EncryptedFileStore().write("s", {"k": "v"})
    code = """
import resource, signal
from mlxkit.errors import MlxError
from mlxkit.secrets.stores.encrypted_file import EncryptedFileStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
try:
    EncryptedFileStore().write("s", {"k": "w" * 10_000})
except MlxError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "nothing was changed" in done.stdout, done.stderr
    assert EncryptedFileStore().read("s") == {"k": "v"}
    assert sorted(path.name for path in Path(EncryptedFileStore().location).parent.iterdir()) == [
        "secrets.enc",
        "secrets.enc.lock",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000,
        b'{"header": ' * 200_000,
        b'{"header": {"format": "mlx-secrets", "version": 1, "kdf": {"name": "key"}}, "body": ""}',
        *(
            b'{"header": {"format": "mlx-secrets", "version": 1, "key": "", "kdf": {"name": "argon2id", %s}}, "body": ""}' % kdf
            for kdf in (
                b'"memory_kib": 8, "iterations": 1, "lanes": 64, "salt": "AAAAAAAAAAAAAAAAAAAAAA=="',
                b'"memory_kib": 64, "iterations": 1, "lanes": 1, "salt": ""',
                b'"memory_kib": 64, "iterations": 1, "lanes": 1',
                b'"memory_kib": 64.5, "iterations": 1, "lanes": 1, "salt": "AAAAAAAAAAAAAAAAAAAAAA=="',
                b'"memory_kib": "64", "iterations": 1, "lanes": 1, "salt": ""',
            )
        ),
    ],
)  # fmt: skip
def test_a_forged_file_is_a_reason_and_no_crash(
    content: bytes, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(EncryptedFileStore().location)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if b"argon2id" in content:
        monkeypatch.delenv("MLX_KEYRING_KEY_FILE")
        monkeypatch.setenv("MLX_KEYRING_PASSWORD", "password")
    with pytest.raises(StoreUnusableError):
        EncryptedFileStore().read("s")
