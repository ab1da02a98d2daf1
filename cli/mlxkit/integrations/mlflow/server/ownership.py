"""What a deployment may take away again: only what proves to be its own, and nothing of the same name."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from ....errors import NotFoundError
from ....secrets.service import SecretService

_BESIDE = ("-wal", "-shm", "-journal")  # what SQLite keeps next to a database


def proof_of(secret_key: str) -> str:
    """Return what a secret is known by, from which nothing in it can be found out."""
    return hashlib.sha256(secret_key.encode()).hexdigest()


def delete_secret(vault: SecretService, name: str, proof: str) -> None:
    """Delete a secret when its `secret_key` has that proof; there may be none, or one of somebody else's."""
    if name not in vault.names():
        return
    with contextlib.suppress(NotFoundError):  # it was announced, and never written
        held = vault.lookup(name) or {}
        if "secret_key" in held and proof_of(held["secret_key"]) == proof:
            vault.delete(name)


def make_file(path: Path) -> str:
    """Make an empty file that only the user reads, and return what it is known by; nothing when it cannot be made."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:  # somebody was faster, or whoever needs it says better what is wrong
        return ""
    try:
        return _known_by(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def remove(path: Path, known_by: str) -> None:
    """Remove a file that is still the one that was made, or what is still empty; there may be nothing.

    Raises OSError for a folder with something in it.
    """
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    if path.is_dir():
        path.rmdir()
    elif _known_by(found) == known_by or not (known_by or found.st_size):
        for name in (*(f"{path.name}{suffix}" for suffix in _BESIDE), path.name):
            path.with_name(name).unlink(missing_ok=True)


def _known_by(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}"
