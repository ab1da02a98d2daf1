from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.secrets.stores.keyring_store import KeyringStore
from mlxkit.secrets.stores.protocol import StoreUnusableError

from ...fixtures.secret_service import keyring_pid, running_service
from .contract import StoreContract

pytestmark = pytest.mark.integration

CANARY = "S3CR3T-canary-value"


class TestKeyringStore(StoreContract):
    """The store's contract, over a real gnome-keyring."""

    @pytest.fixture(autouse=True)
    def _keyring(self, real_keyring: dict[str, str]) -> None:
        pass

    def make(self) -> KeyringStore:
        return KeyringStore()


def _keyring(*argv: str, text: str | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "keyring", *argv], input=text, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_keyring_command_reads_and_writes_the_same_item(real_keyring: dict[str, str]) -> None:
    store = KeyringStore()
    store.write("mlflow_secret", {"username": "u", "password": "pä"})
    assert _keyring("get", "mlx:mlflow_secret", "mlx") == '{"username":"u","password":"p\\u00e4"}\n'
    _keyring("set", "mlx:mlflow_secret", "mlx", text='{"username": "u2", "port": 5432}')
    assert store.read("mlflow_secret") == {"username": "u2", "port": "5432"}


def test_a_bare_text_that_another_program_stored_gets_the_key_value(real_keyring: dict[str, str]) -> None:
    _keyring("set", "mlx:token", "mlx", text="bare-token")
    assert KeyringStore().read("token") == {"value": "bare-token"}


def test_another_mlx_home_has_its_own_items(
    real_keyring: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    KeyringStore().write("s", {"k": "of the default home"})
    monkeypatch.setenv("MLX_HOME", str(tmp_path / "a"))
    assert KeyringStore().read("s") is None
    KeyringStore().write("s", {"k": "of a"})
    monkeypatch.setenv("MLX_HOME", str(tmp_path / "b"))
    assert KeyringStore().read("s") is None
    monkeypatch.delenv("MLX_HOME")
    assert KeyringStore().read("s") == {"k": "of the default home"}


def test_a_locked_keyring_gives_up_and_says_how_to_go_on(
    locked_keyring: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_KEYRING_TIMEOUT", "3")
    with pytest.raises(StoreUnusableError) as raised:
        KeyringStore().open()
    assert raised.value.hint
    assert "MLX_KEYRING_PASSWORD_FILE" in raised.value.hint


def _dies_during(call: Callable[[], object], keyring: dict[str, str]) -> None:
    """Kill the keyring when it has the call and has not answered."""
    daemon = keyring_pid(keyring)
    os.kill(daemon, signal.SIGSTOP)
    killer = threading.Timer(0.3, os.kill, (daemon, signal.SIGKILL))
    killer.start()
    try:
        call()
    finally:
        killer.join()


def test_a_keyring_that_ends_during_a_call_is_asked_again(real_keyring: dict[str, str]) -> None:
    store = KeyringStore()
    store.write("first", {"k": "1"})
    _dies_during(lambda: store.write("second", {"k": "2"}), real_keyring)
    _dies_during(lambda: store.read("first"), real_keyring)
    assert [store.read(name) for name in ("first", "second")] == [{"k": "1"}, {"k": "2"}]
    _dies_during(lambda: store.delete("first"), real_keyring)
    assert store.read("first") is None


@pytest.mark.parametrize("module", ["item", "collection"])  # which read and write
def test_a_new_keyring_that_knows_nothing_of_the_session_with_the_old_one_is_asked_again(
    real_keyring: dict[str, str], monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    store, ended = KeyringStore(), []
    store.write("s", {"k": "1"})
    real = importlib.import_module(f"secretstorage.{module}").open_session

    def opened(connection: object) -> object:
        session = real(connection)
        if not ended:
            ended.append(keyring_pid(real_keyring))
            os.kill(ended[0], signal.SIGKILL)
            until = time.monotonic() + 60
            while Path(f"/proc/{ended[0]}").exists() and time.monotonic() < until:
                time.sleep(0.005)
        return session

    monkeypatch.setattr(f"secretstorage.{module}.open_session", opened)
    store.write("s", {"k": "2"})
    assert store.read("s") == {"k": "2"} and ended


def test_a_keyring_that_ends_and_does_not_come_back_is_given_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("MLX_KEYRING_TIMEOUT", "120")  # a call that is overdue would ask on beside the test
    with running_service(tmp_path, unlock=True) as service:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", service["DBUS_SESSION_BUS_ADDRESS"])
        store = KeyringStore()
        store.write("s", {"k": CANARY})
        starts = tmp_path / "starts"
        (tmp_path / "keyring.sh").write_text(f"echo >>{starts}; exit 1\n")
        with pytest.raises(StoreUnusableError) as raised:
            _dies_during(lambda: store.read("s"), service)
        assert raised.value.hint
        asked = starts.read_text()
        with pytest.raises(StoreUnusableError):
            store.read("s")
        assert starts.read_text() == asked


def test_without_a_bus_the_reason_names_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nonexistent")
    with pytest.raises(
        StoreUnusableError, match=r"keyring: keyring\.backends\.SecretService\.Keyring cannot work here"
    ):
        KeyringStore().open()


def test_a_stale_bus_address_is_a_reason_and_not_a_crash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/gone")
    with pytest.raises(StoreUnusableError):
        KeyringStore().open()


BACKENDS = """
import time
from keyring.backend import KeyringBackend

class Base(KeyringBackend):
    priority = 5
    kept = {}
    def get_password(self, service, username): return self.kept.get((service, username))
    def set_password(self, service, username, password): self.kept[service, username] = password
    def delete_password(self, service, username): del self.kept[service, username]

class Hanging(Base):
    def get_password(self, service, username): time.sleep(3600)

class Forgetful(Base):
    def set_password(self, service, username, password): pass

class Talkative(Base):
    def set_password(self, service, username, password): raise ValueError(f"cannot store {password}")

class Odd(Base):
    def get_password(self, service, username): raise EOFError()

class Weak(Base):
    priority = 0.5

class PlaintextKeyring(Base):
    pass

class Derived(PlaintextKeyring):
    pass

class Rude(Base):
    priority = property(lambda self: 3)

not_a_class = 3
"""


@pytest.fixture
def backends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd_backends.py").write_text(BACKENDS)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("odd_backends", None)


def _use(monkeypatch: pytest.MonkeyPatch, name: str, variable: str = "MLX_SECRETS_BACKEND") -> KeyringStore:
    monkeypatch.setenv(variable, name)
    return KeyringStore()


def test_a_named_backend_is_used_and_is_the_name_of_the_store(
    backends: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _use(monkeypatch, "odd_backends.Base", "PYTHON_KEYRING_BACKEND")
    store.open()
    store.write("s", {"k": "v"})
    assert (store.name, store.read("s")) == ("odd_backends.Base", {"k": "v"})


def test_a_backend_that_never_answers_is_given_up_once_and_for_all(
    backends: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_KEYRING_TIMEOUT", "0.2")
    store = _use(monkeypatch, "odd_backends.Hanging")
    with pytest.raises(StoreUnusableError, match=r"no answer within 0\.2 s"):
        store.open()
    monkeypatch.setenv("MLX_KEYRING_TIMEOUT", "600")
    begin = time.monotonic()
    with pytest.raises(StoreUnusableError):
        store.read("s")
    assert time.monotonic() - begin < 300  # did not ask again


def test_a_backend_that_keeps_nothing_is_found_out(backends: None, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _use(monkeypatch, "odd_backends.Forgetful")
    with pytest.raises(StoreUnusableError, match="did not give it back"):
        store.write("s", {"k": CANARY})


def test_a_backend_that_puts_the_value_into_its_error_is_not_quoted(
    backends: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import traceback

    store = _use(monkeypatch, "odd_backends.Talkative")
    with pytest.raises(StoreUnusableError) as raised:
        store.write("s", {"k": CANARY})
    shown = "".join(traceback.format_exception(raised.value))
    assert CANARY not in shown
    assert "ValueError: cannot store" in shown


def test_an_error_without_words_still_gives_a_reason(backends: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreUnusableError, match="EOFError"):
        _use(monkeypatch, "odd_backends.Odd").open()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("keyring.backends.null.Keyring", "stores nothing"),
        ("keyring.backends.fail.Keyring", "refuses every call"),
        ("keyring.backends.chainer.ChainerBackend", "picks a keyring by what happens to be installed"),
        ("odd_backends.PlaintextKeyring", "plain text"),
        ("odd_backends.Derived", "plain text"),
        ("odd_backends.not_a_class", "is not a keyring"),
        ("odd_backends.Rude", "cannot work here"),
        ("odd_backends.Absent", "cannot be imported"),
        ("no_such_module.Keyring", "cannot be imported"),
        ("pathlib.Path", "is not a keyring"),
        ("Keyring", "is not of the form"),
        (".", "is not of the form"),
    ],
)
@pytest.mark.parametrize("variable", ["PYTHON_KEYRING_BACKEND", "MLX_SECRETS_BACKEND"])
def test_a_backend_that_must_not_be_used_is_refused_with_the_reason(
    backends: None, monkeypatch: pytest.MonkeyPatch, name: str, reason: str, variable: str
) -> None:
    if variable == "MLX_SECRETS_BACKEND" and "." not in name:
        variable = "PYTHON_KEYRING_BACKEND"
    with pytest.raises(StoreUnusableError, match=reason) as raised:
        _use(monkeypatch, name, variable).open()
    assert variable in raised.value.message


def test_a_weak_backend_is_taken_only_when_mlx_is_told_so(
    backends: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreUnusableError, match="calls itself weak"):
        _use(monkeypatch, "odd_backends.Weak", "PYTHON_KEYRING_BACKEND").open()
    _use(monkeypatch, "odd_backends.Weak").open()


def test_an_empty_variable_names_no_backend(
    real_keyring: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _use(monkeypatch, "", "PYTHON_KEYRING_BACKEND")
    store.open()
    assert store.location == "keyring.backends.SecretService.Keyring"


def test_nothing_installed_is_scanned_to_find_the_keyring(real_keyring: dict[str, str]) -> None:
    code = """
import sys
from mlxkit.secrets.stores.keyring_store import KeyringStore
import importlib.metadata as metadata
def scan(*a, **k): raise SystemExit("entry points were scanned")
metadata.entry_points = metadata.distributions = scan
try:
    import importlib_metadata
    importlib_metadata.entry_points = importlib_metadata.distributions = scan
except ImportError:
    pass
KeyringStore().open()
print("opened")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "opened\n", done.stderr
