"""Which stores there are for this process, in which order, and which one takes a new secret."""

from __future__ import annotations

import os

from ..errors import ConfigError, CredentialsError, did_you_mean
from .stores.encrypted_file import EncryptedFileStore
from .stores.environment import EnvironmentStore
from .stores.keyring_store import KeyringStore
from .stores.protocol import SecretStore, StoreUnusableError

VARIABLE = "MLX_SECRETS_BACKEND"
_CHOICES = ("auto", "os", "file", "env")

_WAYS_OUT = """\
Three ways out:
  1. a keyring: start or unlock one (GNOME Keyring, KWallet, macOS Keychain, Windows Credential Manager)
  2. an encrypted file: MLX_KEYRING_PASSWORD_FILE names a file with a password, mode 600
  3. no store: MLX_SECRET_<NAME>__<KEY>=... in the environment, as in CI"""


class Stores:
    """The stores, made once; the environment is apart, because it is read first and never written."""

    def __init__(self) -> None:
        self.environment = EnvironmentStore()
        self._choice = _choice()
        self.keeping: tuple[SecretStore, ...] = _made(self._choice)

    def named(self, name: str, secret: str) -> SecretStore:
        """Return the store that a secret is in, or say why that is not in use."""
        for store in self.keeping:
            if store.name == name:
                return store
        raise StoreUnusableError(
            name, f"secret {secret!r} is there, and {_why_not(name)} leaves that out", hint=_way_back(name)
        )

    def for_new(self) -> tuple[SecretStore, list[StoreUnusableError]]:
        """Return the first store that works, with the reasons of those before it."""
        problems: list[StoreUnusableError] = []
        for store in self.keeping:
            try:
                store.open()
            except StoreUnusableError as problem:
                problems.append(problem)
            else:
                return store, problems
        if not self.keeping:
            raise CredentialsError(
                f"{VARIABLE}={self._choice} only reads secrets from the environment, it stores none",
                hint=f"unset {VARIABLE}",
            )
        reasons = "".join(f"\n  {problem.message}" for problem in problems)
        raise CredentialsError(
            f"no store for secrets can be used{reasons}\n{_WAYS_OUT}", hint="mlx secret where"
        )


def _choice() -> str:
    choice = os.environ.get(VARIABLE, "").strip() or "auto"
    choice = "os" if choice == "keyring" else choice
    if choice not in _CHOICES and "." not in choice:
        raise ConfigError(
            f"{VARIABLE}={choice}: not one of {', '.join(_CHOICES)} or module.Class{did_you_mean(choice, _CHOICES)}"
        )
    return choice


def _made(choice: str) -> tuple[SecretStore, ...]:
    if choice == "env":
        return ()
    if choice == "file":
        return (EncryptedFileStore(),)
    return (KeyringStore(), EncryptedFileStore()) if choice == "auto" else (KeyringStore(),)


def _why_not(name: str) -> str:
    for variable in (VARIABLE, "PYTHON_KEYRING_BACKEND"):
        value = os.environ.get(variable, "").strip()
        if value and value not in ("auto", name):
            return f"{variable}={value}"
    return "the present choice of a keyring"


def _way_back(name: str) -> str:
    return f"{VARIABLE}={name}" if "." in name else "unset MLX_SECRETS_BACKEND and PYTHON_KEYRING_BACKEND"
