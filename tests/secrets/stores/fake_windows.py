"""The credential API of Windows as keyring's own backend sees it, in memory, with its limits."""

from __future__ import annotations

import sys
import threading
from types import ModuleType

LIMIT = 1280  # UTF-16 units in a credential
NOT_FOUND = 1168


class error(Exception):
    """`pywintypes.error`, which is not a KeyringError."""

    def __init__(self, winerror: int, funcname: str, strerror: str) -> None:
        super().__init__(winerror, funcname, strerror)
        self.winerror, self.funcname, self.strerror = winerror, funcname, strerror


class Credentials:
    """What is stored, by target name; `calls` counts down to a failure when it is set."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, object]] = {}
        self.fail_at: int | None = None
        self.calls = 0
        self._lock = threading.Lock()

    def write(self, credential: dict[str, object], flags: int) -> None:
        self._step("CredWrite")
        blob = str(credential["CredentialBlob"]).encode("utf-16-le", "surrogatepass")
        if len(blob) > 2 * LIMIT:
            raise error(1783, "CredWrite", "The stub received bad data.")
        with self._lock:
            self.stored[str(credential["TargetName"]).lower()] = {**credential, "CredentialBlob": blob}

    def read(self, Type: int, TargetName: str) -> dict[str, object]:
        self._step("CredRead")
        with self._lock:
            found = self.stored.get(TargetName.lower())
        if found is None:
            raise error(NOT_FOUND, "CredRead", "Element not found.")
        return dict(found)

    def delete(self, Type: int, TargetName: str) -> None:
        self._step("CredDelete")
        with self._lock:
            if self.stored.pop(TargetName.lower(), None) is None:
                raise error(NOT_FOUND, "CredDelete", "Element not found.")

    def texts(self) -> str:
        """Everything that is stored, names and values, to search in."""
        values = [item["CredentialBlob"].decode("utf-16-le") for item in self.stored.values()]  # type: ignore[attr-defined]
        return "\n".join([*self.stored, *values])

    def _step(self, name: str) -> None:
        self.calls += 1
        if self.fail_at is not None and self.calls >= self.fail_at:
            raise Killed(name)


class Killed(BaseException):
    """Stands for the end of the process in the middle of a call."""


def install(monkeypatch: object) -> Credentials:
    """Make `keyring.backends.Windows` work on this system, over memory."""
    credentials = Credentials()
    pywintypes, win32cred = ModuleType("pywintypes"), ModuleType("win32cred")
    pywintypes.error = error  # type: ignore[attr-defined]
    for name, value in {
        "CRED_TYPE_GENERIC": 1,
        "CRED_PERSIST_ENTERPRISE": 3,
        "CredRead": credentials.read,
        "CredWrite": credentials.write,
        "CredDelete": credentials.delete,
    }.items():
        setattr(win32cred, name, value)
    package, pywin32 = ModuleType("win32ctypes"), ModuleType("win32ctypes.pywin32")
    pywin32.pywintypes, pywin32.win32cred = pywintypes, win32cred  # type: ignore[attr-defined]
    for name, module in {"win32ctypes": package, "win32ctypes.pywin32": pywin32}.items():
        monkeypatch.setitem(sys.modules, name, module)  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, "keyring.backends.Windows", raising=False)  # type: ignore[attr-defined]
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.Windows.WinVaultKeyring")  # type: ignore[attr-defined]
    return credentials
