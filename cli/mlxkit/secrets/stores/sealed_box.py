"""The encrypted form of the secrets file: AES-256-GCM under a random data key, which a master key wraps.

The header is authenticated together with the data key, the data key belongs to this header, and the whole map of
secrets is one ciphertext, so that names are hidden too.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from dataclasses import field
from typing import Any

from ...dataclass import dataclass
from .master_key import KEY_BYTES, NAME, MasterKey
from .protocol import StoreUnusableError

VERSION = 1
ARGON2ID = {"name": "argon2id", "memory_kib": 65536, "iterations": 3, "lanes": 4}
_MAX_MEMORY_KIB = 1 << 20  # a forged header must not make us fill the memory
_NONCE = 12
_BODY = b"mlx-secrets-body"

Opener = Callable[[], MasterKey]


@dataclass(frozen=True)
class Box:
    """An opened file: its header, and the data key."""

    header: dict[str, Any]
    key: bytes = field(repr=False)


def new_box(master: MasterKey) -> Box:
    """Make a data key and wrap it."""
    kdf: dict[str, Any] = {"name": "key"}
    if master.kind == "password":
        kdf = {**ARGON2ID, "salt": _text(os.urandom(16))}
    header: dict[str, Any] = {"format": "mlx-secrets", "version": VERSION, "kdf": kdf}
    key = os.urandom(KEY_BYTES)
    header["key"] = _text(_seal(_wrapping_key(master, kdf), key, _bound(header)))
    return Box(header, key)


def open_box(header: Any, master: MasterKey) -> Box:
    """Unwrap the data key of a file."""
    kdf = _checked(header)
    if (kdf["name"] == "key") != (master.kind == "key"):
        wanted = "a key file" if kdf["name"] == "key" else "a password"
        raise StoreUnusableError(NAME, f"it was made with {wanted}, and {master.source} gives something else")
    key = _unseal(_wrapping_key(master, kdf), _bytes(header["key"]), _bound(header))
    if key is None:
        raise StoreUnusableError(NAME, f"wrong password or key from {master.source}, or the file was changed")
    return Box(header, key)


def seal(box: Box, items: dict[str, dict[str, str]]) -> bytes:
    """Return the bytes of a file with these secrets."""
    body = _seal(box.key, json.dumps(items).encode(), _BODY)
    return json.dumps({"header": box.header, "body": _text(body)}).encode() + b"\n"


def unseal(box: Box, body: str) -> dict[str, dict[str, str]]:
    """Return the secrets in the body of a file."""
    data = _unseal(box.key, _bytes(body), _BODY)
    if data is None:
        raise StoreUnusableError(NAME, "its content was changed by something else than mlx")
    items: dict[str, dict[str, str]] = json.loads(data)
    return items


def split(data: bytes) -> tuple[dict[str, Any], str]:
    """Return the header and the body of a file."""
    try:
        document = json.loads(data)
        return document["header"], document["body"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise StoreUnusableError(NAME, "it is not an encrypted secrets file of mlx") from None


def _checked(header: Any) -> dict[str, Any]:
    try:
        if header["format"] != "mlx-secrets":
            raise KeyError("format")
        header["key"]
        version, kdf = header["version"], header["kdf"]
        if kdf["name"] == "argon2id":
            usable = (
                8 <= kdf["memory_kib"] <= _MAX_MEMORY_KIB
                and 1 <= kdf["iterations"] <= 100
                and 1 <= kdf["lanes"] <= 64
            )
        else:
            usable = kdf["name"] == "key"
    except (KeyError, TypeError):
        raise StoreUnusableError(NAME, "its header is not one of mlx") from None
    if version != VERSION or not usable:
        raise StoreUnusableError(
            NAME, f"its form (version {version}) is not known to this mlx", hint="upgrade mlxkit"
        )
    return dict(kdf)


def _wrapping_key(master: MasterKey, kdf: dict[str, Any]) -> bytes:
    if master.kind == "key":
        return master.secret
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    try:
        return Argon2id(
            salt=_bytes(kdf["salt"]),
            length=KEY_BYTES,
            iterations=kdf["iterations"],
            lanes=kdf["lanes"],
            memory_cost=kdf["memory_kib"],
        ).derive(master.secret)
    except (ValueError, TypeError, KeyError, MemoryError):  # what no mlx has written
        raise StoreUnusableError(NAME, "its header asks for a key that cannot be derived") from None


def _bound(header: dict[str, Any]) -> bytes:
    """Return everything in the header but the wrapped key, to be authenticated with it."""
    return json.dumps({name: item for name, item in header.items() if name != "key"}, sort_keys=True).encode()


def _seal(key: bytes, data: bytes, bound: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, data, bound)


def _unseal(key: bytes, data: bytes, bound: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(data[:_NONCE], data[_NONCE:], bound)
    except (InvalidTag, ValueError):
        return None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        return b""
