"""Being interrupted and being many: what was acknowledged is there, and nothing is there unexplained."""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.config.paths import user_data_dir
from mlxkit.errors import MlxError
from mlxkit.secrets import index as index_module
from mlxkit.secrets.records import UNFINISHED
from mlxkit.secrets.service import SecretService
from mlxkit.secrets.stores import encrypted_file
from mlxkit.secrets.stores.encrypted_file import EncryptedFileStore


@pytest.fixture
def file_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    key.write_bytes(base64.b64encode(bytes(32)))
    key.chmod(0o600)
    monkeypatch.setenv("MLX_KEYRING_KEY_FILE", str(key))
    monkeypatch.setenv("MLX_SECRETS_BACKEND", "file")


class Killed(BaseException):
    """Stands for the end of the process."""


class Reaper:
    """Ends the process at the n-th write to disk, before or after it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._writes = 0
        self._at: int | None = None
        self._after = False
        for module in (index_module, encrypted_file):
            monkeypatch.setattr(module, "write_atomic", self._wrapped(module.write_atomic))

    def _wrapped(self, write: Callable[..., None]) -> Callable[..., None]:
        def wrapped(*args: object, **kwargs: object) -> None:
            self._writes += 1
            if self._writes == self._at and not self._after:
                raise Killed
            write(*args, **kwargs)
            if self._writes == self._at:
                raise Killed

        return wrapped

    def run(self, call: Callable[[], object], at: int, *, after: bool) -> bool:
        """Run `call` and say whether it came to its end."""
        self._writes, self._at, self._after = 0, at, after
        try:
            call()
        except Killed:
            return False
        finally:
            self._at = None
        return True


OPERATIONS: dict[str, Callable[[SecretService], object]] = {
    "create": lambda secrets: secrets.create("new", {"k": "created"}),
    "update": lambda secrets: secrets.update("db", {"a": "updated", "c": "added"}, remove=["b"]),
    "rename": lambda secrets: secrets.rename("db", "moved"),
    "delete": lambda secrets: secrets.delete("db"),
    "import": lambda secrets: secrets.import_({"db": {"a": "imported"}, "two": {"k": "2"}}, replace=True),
}
BEFORE = {"a": "1", "b": "2"}
ALLOWED = {
    "create": [{"db": BEFORE}, {"db": BEFORE, "new": {"k": "created"}}],
    "update": [{"db": BEFORE}, {"db": {"a": "updated", "c": "added"}}],
    "rename": [{"db": BEFORE}, {"db": BEFORE, "moved": BEFORE}, {"moved": BEFORE}],
    "delete": [{"db": BEFORE}, {}],
    "import": [{"db": BEFORE}, {"db": {"a": "imported"}}, {"db": {"a": "imported"}, "two": {"k": "2"}}],
}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_killed_at_any_write_it_is_as_before_or_as_after(
    file_store: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, operation: str, after: bool
) -> None:
    reaper = Reaper(monkeypatch)
    seen = []
    for at in range(1, 30):
        monkeypatch.setenv("MLX_HOME", str(tmp_path / f"{operation}-{after}-{at}"))
        SecretService().create("db", BEFORE)
        finished = reaper.run(lambda: OPERATIONS[operation](SecretService()), at, after=after)
        unfinished = [listing.name for listing in SecretService().list() if listing.state == UNFINISHED]
        SecretService().stores()
        listings = SecretService().list()
        assert all(listing.state == "" for listing in listings)
        exported = SecretService().export()
        assert exported in ALLOWED[operation]
        assert {listing.name: set(listing.keys) for listing in listings} == {
            name: set(values) for name, values in exported.items()
        }
        for name in ("db", "new", "moved", "two"):
            assert (EncryptedFileStore().read(name) is not None) == (name in exported)
        if finished:
            assert exported == ALLOWED[operation][-1]
            assert unfinished == []
            break
        seen.append(exported)
    assert finished
    assert ALLOWED[operation][0] in seen


@pytest.mark.parametrize("operation", ["create", "update"])
def test_after_a_kill_the_same_command_works_without_settling_first(
    file_store: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, operation: str
) -> None:
    reaper = Reaper(monkeypatch)
    for at in (1, 2, 3):
        monkeypatch.setenv("MLX_HOME", str(tmp_path / f"{operation}-{at}"))
        SecretService().create("db", BEFORE)
        assert not reaper.run(lambda: OPERATIONS[operation](SecretService()), at, after=True)
        if operation == "create" and at == 3:  # it was done, and only its end was not seen
            continue
        if operation == "update" and at >= 2:
            SecretService().update("db", {"b": "2"})
        OPERATIONS[operation](SecretService())
        assert SecretService().export() == ALLOWED[operation][-1]


def test_an_unfinished_secret_is_settled_when_it_is_read(
    file_store: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reaper = Reaper(monkeypatch)
    assert not reaper.run(lambda: SecretService().create("db", BEFORE), 2, after=True)
    (listing,) = SecretService().list()
    assert listing.state == UNFINISHED
    assert SecretService().reveal("db") == BEFORE
    assert [listing.state for listing in SecretService().list()] == [""]


def test_a_secret_that_was_only_announced_is_gone_when_it_is_read(
    file_store: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    reaper = Reaper(monkeypatch)
    assert not reaper.run(lambda: SecretService().create("db", BEFORE), 1, after=True)
    assert [listing.state for listing in SecretService().list()] == [UNFINISHED]
    with pytest.raises(MlxError, match="no secret named 'db'"):
        SecretService().reveal("db")
    assert SecretService().list() == []


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_store_that_refuses_leaves_everything_as_it_was(
    file_store: None, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    SecretService().create("db", BEFORE)

    def refuse(*args: object, **kwargs: object) -> None:
        raise MlxError("the store says no")

    with monkeypatch.context() as patched:
        patched.setattr(encrypted_file, "write_atomic", refuse)
        with pytest.raises(MlxError, match="the store says no"):
            OPERATIONS[operation](SecretService())
    assert [(listing.name, listing.state) for listing in SecretService().list()] == [("db", "")]
    assert SecretService().export() == {"db": BEFORE}


CREATOR = """
import itertools, sys
from mlxkit.secrets.service import SecretService
secrets = SecretService()
for number in itertools.count(int(sys.argv[1])):
    secrets.create(f"s{number}", {"k": f"value {number}"})
    if number % 2:
        secrets.update(f"s{number}", {"k": f"value {number}", "extra": "x"})
    print(number, flush=True)
"""


@pytest.mark.integration
@pytest.mark.parametrize("place", ["file", "keyring"])
def test_killed_25_times_nothing_acknowledged_is_lost(place: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("file_store" if place == "file" else "real_keyring")
    chance = random.Random(7)
    acknowledged: list[int] = []
    start = 0
    for _ in range(25):
        child = subprocess.Popen(
            [sys.executable, "-c", CREATOR, str(start)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        first = child.stdout.readline()
        assert first, child.stderr.read() if child.stderr else ""
        time.sleep(chance.random() * 0.05)
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate()
        acknowledged += [int(line) for line in (first + rest).splitlines()]
        start = acknowledged[-1] + 2  # the next one may exist, unacknowledged
    secrets = SecretService()
    secrets.create("last", {"k": "v"})
    secrets.stores()
    exported = secrets.export()
    for number in acknowledged:
        assert exported[f"s{number}"]["k"] == f"value {number}"
    assert all(listing.state == "" for listing in secrets.list())
    assert not [path.name for path in user_data_dir().iterdir() if path.name.endswith(".tmp")]


UPDATER = """
import sys
from mlxkit.secrets.service import SecretService
for number in range(3):
    SecretService().update("shared", {f"key{sys.argv[1]}.{number}": f"value {sys.argv[1]} {number}"})
"""


@pytest.mark.integration
@pytest.mark.parametrize("place", ["file", "keyring", "password"])
def test_20_processes_that_update_one_secret_keep_every_key(
    place: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "password":
        monkeypatch.setenv("MLX_SECRETS_BACKEND", "file")
        monkeypatch.setenv("MLX_KEYRING_PASSWORD", "pw")
    else:
        request.getfixturevalue("file_store" if place == "file" else "real_keyring")
    SecretService().create("shared", {"first": "1"})
    children = [
        subprocess.Popen([sys.executable, "-c", UPDATER, str(number)], stderr=subprocess.PIPE, text=True)
        for number in range(20)
    ]
    for child in children:
        _, said = child.communicate(timeout=300)
        assert child.returncode == 0, said
    values = SecretService().reveal("shared")
    assert len(values) == 61
    assert all(values[f"key{a}.{b}"] == f"value {a} {b}" for a in range(20) for b in range(3))
    assert set(SecretService().get("shared").keys) == set(values)


@pytest.mark.integration
def test_20_creates_at_once_all_land(file_store: None, mlx_process: list[str]) -> None:
    children = [
        subprocess.Popen(
            [*mlx_process, "secret", "create", f"s{number}", f"--k=value {number}"],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(20)
    ]
    for child in children:
        _, said = child.communicate(timeout=300)
        assert child.returncode == 0, said
    assert SecretService().export() == {f"s{number}": {"k": f"value {number}"} for number in range(20)}


@pytest.mark.integration
def test_of_20_that_create_the_same_name_one_wins(file_store: None, mlx_process: list[str]) -> None:
    children = [
        subprocess.Popen(
            [*mlx_process, "secret", "create", "same", f"--k=value {number}"],
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(20)
    ]
    codes = [(child.communicate(timeout=300), child.returncode)[1] for child in children]
    winner = codes.index(0)
    assert sorted(codes) == [0] + [1] * 19
    assert SecretService().export() == {"same": {"k": f"value {winner}"}}


def test_a_home_that_cannot_be_written_still_gives_what_the_environment_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_HOME", str(tmp_path / "not-there"))
    monkeypatch.setenv("MLX_SECRET_CI__TOKEN", "given")
    assert SecretService().reveal("ci") == {"token": "given"}
    assert not os.path.exists(tmp_path / "not-there")
