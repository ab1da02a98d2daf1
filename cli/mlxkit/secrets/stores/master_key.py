"""What unlocks the encrypted file: a key file, a password file, a password in the environment, or a person."""

from __future__ import annotations

import base64
import binascii
import os
import shlex
from collections.abc import Callable
from dataclasses import field
from pathlib import Path

from ...dataclass import dataclass
from .private_file import UnsafeFileError, read_private_file
from .protocol import StoreUnusableError

NAME = "encrypted file"
KEY_FILE = "MLX_KEYRING_KEY_FILE"
PASSWORD_FILE = "MLX_KEYRING_PASSWORD_FILE"  # noqa: S105 - the name of a variable
PASSWORD = "MLX_KEYRING_PASSWORD"  # noqa: S105
KEY_BYTES = 32

Asker = Callable[[str], str]
_ask: Asker | None = None


@dataclass(frozen=True)
class MasterKey:
    """A 32-byte key, or a password that a key is derived from."""

    kind: str  # 'key' or 'password'
    secret: bytes = field(repr=False)
    source: str


def ask_with(asker: Asker | None) -> None:
    """Let the command line ask for the master password where there is a terminal; None: nobody is there."""
    global _ask
    _ask = asker


def check_source() -> None:
    """Raise the reason why there is nothing to lock a file with; nobody is asked for anything yet."""
    if _ask is None or any(os.environ.get(name) for name in (KEY_FILE, PASSWORD_FILE, PASSWORD)):
        master_key(new=True)


def master_key(*, new: bool) -> MasterKey:
    """Return the key or password from the first source there is; a `new` password is asked for twice."""
    if path := os.environ.get(KEY_FILE):
        return MasterKey("key", _decoded(_private_file(path, KEY_FILE), path), KEY_FILE)
    if path := os.environ.get(PASSWORD_FILE):
        data = _private_file(path, PASSWORD_FILE)
        return MasterKey("password", _not_empty(_one_line_less(data), PASSWORD_FILE), PASSWORD_FILE)
    if text := os.environ.get(PASSWORD):
        return MasterKey("password", text.encode("utf-8", "surrogateescape"), PASSWORD)
    if _ask is not None:
        return MasterKey(
            "password", _not_empty(_asked(_ask, new=new).encode(), "the password"), "the terminal"
        )
    raise StoreUnusableError(
        NAME, f"none of {KEY_FILE}, {PASSWORD_FILE} and {PASSWORD} is set", hint=f"set {PASSWORD_FILE}"
    )


def _asked(ask: Asker, *, new: bool) -> str:
    if not new:
        return ask("Master password of the secrets file")
    text = ask("New master password for the secrets file")
    if ask("The same again") != text:
        raise StoreUnusableError(NAME, "the two passwords differ")
    return text


def _private_file(path: str, variable: str) -> bytes:
    try:
        data = read_private_file(Path(path).expanduser())
    except UnsafeFileError as error:
        raise StoreUnusableError(NAME, f"{variable}: {error}", hint=error.hint) from error
    if data is None:
        raise StoreUnusableError(NAME, f"{variable}: there is no file {path}")
    return data


def _decoded(data: bytes, path: str) -> bytes:
    try:
        key = base64.b64decode(data.strip(), validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreUnusableError(
            NAME,
            f"{path} does not hold {KEY_BYTES} random bytes as base64",
            hint=f"openssl rand -base64 32 > {shlex.quote(path)}",
        )
    return key


def _one_line_less(data: bytes) -> bytes:
    return data[: -2 if data.endswith(b"\r\n") else -1] if data.endswith(b"\n") else data


def _not_empty(secret: bytes, source: str) -> bytes:
    if not secret:
        raise StoreUnusableError(NAME, f"{source} is empty")
    return secret
