"""Which keyring class to use: by platform or by name, loaded without a scan of what is installed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from .protocol import StoreUnusableError

WINDOWS = "keyring.backends.Windows.WinVaultKeyring"
_BY_PLATFORM = {
    "win32": (WINDOWS,),
    "darwin": ("keyring.backends.macOS.Keyring",),
}
_ELSEWHERE = ("keyring.backends.SecretService.Keyring", "keyring.backends.kwallet.DBusKeyring")

# What keyring itself would take without a word, although nothing is stored or nothing is protected.
_REFUSED = {
    "keyring.backends.null": "stores nothing",
    "keyring.backends.fail": "refuses every call",
    "keyring.backends.chainer": "picks a keyring by what happens to be installed",
}


def candidates(platform: str = sys.platform) -> tuple[str, ...]:
    """Return the classes of the operating system's own keyring, best first."""
    return _BY_PLATFORM.get(platform, _ELSEWHERE)


def named_by(environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the class that the user asked for and the variable that says so."""
    chosen = environ.get("MLX_SECRETS_BACKEND", "")
    if "." in chosen:
        return chosen, "MLX_SECRETS_BACKEND"
    name = environ.get("PYTHON_KEYRING_BACKEND", "").strip()
    return (name, "PYTHON_KEYRING_BACKEND") if name else None


def load_backend(name: str, *, store: str, named_in: str | None = None) -> Any:
    """Make the keyring called `module.Class`, or say why it cannot be used.

    A weak one (priority below 1) is taken only when MLX_SECRETS_BACKEND names it, one without any protection never.
    """
    said = f"{named_in} names {name}, which " if named_in else f"{name} "
    for module, reason in _REFUSED.items():
        if name.startswith(f"{module}."):
            raise StoreUnusableError(store, said + reason)
    cls = _import(name, store, said)
    if any("plaintext" in base.__name__.lower() for base in cls.__mro__):
        raise StoreUnusableError(store, said + "keeps values in plain text")
    if any(base.__module__ in _REFUSED for base in cls.__mro__):
        raise StoreUnusableError(store, said + "is made of a keyring that is refused")
    priority = _priority(cls, store, said)
    if priority < 1 and named_in != "MLX_SECRETS_BACKEND":
        raise StoreUnusableError(
            store,
            said + f"calls itself weak (priority {priority:g})",
            hint=f"MLX_SECRETS_BACKEND={name} takes it anyway",
        )
    return cls()


def _import(name: str, store: str, said: str) -> Any:
    module, _, attribute = name.rpartition(".")
    if not module or not attribute:
        raise StoreUnusableError(store, said + "is not of the form module.Class")
    try:
        from keyring.backend import KeyringBackend

        cls = getattr(import_module(module), attribute)
    except Exception as error:
        raise StoreUnusableError(
            store, said + f"cannot be imported ({type(error).__name__}: {error})"
        ) from error
    if not isinstance(cls, type) or not issubclass(cls, KeyringBackend):
        raise StoreUnusableError(store, said + "is not a keyring")
    return cls


def _priority(cls: Any, store: str, said: str) -> float:
    """Ask the class for its priority, which is where a backend says that it cannot work here."""
    try:
        return float(cls.priority)
    except Exception as error:
        raise StoreUnusableError(
            store, said + f"cannot work here: {error or type(error).__name__}"
        ) from error
