"""The credential manager of Windows, behind keyring's own backend for it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mlxkit.secrets.stores.keyring_store import KeyringStore

from . import fake_windows
from .contract import StoreContract
from .fake_windows import Credentials, Killed

OLD, NEW = "OLD-value-0123456789", "NEW-value-9876543210"


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[Credentials]:
    yield fake_windows.install(monkeypatch)


class TestWindows(StoreContract):
    """The store's contract where an entry has 1,280 characters and overwriting keeps a copy."""

    @pytest.fixture(autouse=True)
    def _windows(self, credentials: Credentials) -> None:
        pass

    def make(self) -> KeyringStore:
        return KeyringStore()


def test_the_fake_refuses_what_windows_refuses(credentials: Credentials) -> None:
    import keyring.backends.Windows as windows

    backend = windows.WinVaultKeyring()
    backend.set_password("service", "u", "x" * 1280)
    with pytest.raises(fake_windows.error):
        backend.set_password("service", "u", "x" * 1281)
    backend.set_password("service", "u", "second")
    assert "x" * 1280 in credentials.texts()  # the copy that keyring makes of what it overwrites


@pytest.mark.parametrize("length", [1, 1271, 1272, 1273, 2543, 2544, 2545, 9000])
def test_every_length_round_trips(credentials: Credentials, length: int) -> None:
    store = KeyringStore()
    store.write("s", {"k": "é" * 7 + "y" * length})
    assert store.read("s") == {"k": "é" * 7 + "y" * length}
    assert all(len(item["CredentialBlob"]) <= 2560 for item in credentials.stored.values())  # type: ignore[arg-type]


def test_a_short_entry_is_one_credential_that_the_keyring_command_can_read(credentials: Credentials) -> None:
    KeyringStore().write("s", {"k": "v"})
    assert list(credentials.stored) == ["mlx:s"]
    assert '{"k":"v"}' in credentials.texts()


@pytest.mark.parametrize("before", [OLD, OLD * 300])
@pytest.mark.parametrize("after", [NEW, NEW * 300])
def test_rotation_leaves_the_old_value_nowhere(credentials: Credentials, before: str, after: str) -> None:
    store = KeyringStore()
    for value in (before, before, after, after):
        store.write("s", {"k": value})
    assert OLD[:4] not in credentials.texts()
    assert store.read("s") == {"k": after}
    store.delete("s")
    assert credentials.stored == {}


def test_twelve_at_once_are_all_kept(credentials: Credentials) -> None:
    def create(number: int) -> None:
        KeyringStore().write(f"s{number}", {"k": f"value {number}" * number * 20 + "v"})

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(create, range(12)))
    for number in range(12):
        assert KeyringStore().read(f"s{number}") == {"k": f"value {number}" * number * 20 + "v"}


@pytest.mark.parametrize("before", [OLD, OLD * 300])
@pytest.mark.parametrize("after", [NEW, NEW * 300])
def test_killed_at_any_call_the_secret_is_the_old_or_the_new_one(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    outcomes = set()
    for call in range(1, 200):
        credentials.stored.clear()
        credentials.fail_at = None
        KeyringStore().write("s", {"k": before})
        credentials.calls, credentials.fail_at = 0, call
        try:
            KeyringStore().write("s", {"k": after})
            finished = True
        except Killed:
            finished = False
        credentials.fail_at = None
        value = KeyringStore().read("s")
        assert value in ({"k": before}, {"k": after})
        outcomes.add(value["k"] if value else "")
        KeyringStore().write("s", {"k": "third-value"})
        assert "OLD" not in credentials.texts()
        assert "NEW" not in credentials.texts()
        if finished:
            break
    assert finished
    assert outcomes == {before, after}


def test_a_failing_write_puts_the_old_value_back(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keyring.backends.Windows as windows

    from mlxkit.errors import MlxError

    store = KeyringStore()
    store.write("s", {"k": OLD})
    real = windows.win32cred.CredWrite

    def refuse_new(credential: dict[str, object], flags: int) -> None:
        if "NEW" in str(credential["CredentialBlob"]) and credential["TargetName"] == "mlx:s":
            raise fake_windows.error(5, "CredWrite", "Access is denied.")
        real(credential, flags)

    monkeypatch.setattr(windows.win32cred, "CredWrite", refuse_new)
    with pytest.raises(MlxError, match="Access is denied"):
        store.write("s", {"k": NEW})
    assert store.read("s") == {"k": OLD}
    assert list(credentials.stored) == ["mlx:s"]


def test_a_missing_part_is_reported_and_not_taken_for_the_value(credentials: Credentials) -> None:
    from mlxkit.secrets.stores.protocol import IncompleteEntryError

    store = KeyringStore()
    store.write("s", {"k": OLD * 300})
    del credentials.stored[next(target for target in credentials.stored if target.endswith(".1"))]
    with pytest.raises(IncompleteEntryError):
        store.read("s")
