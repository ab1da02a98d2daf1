"""Secrets from environment variables and mounted folders, as CI systems and Kubernetes hand them out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ...errors import CredentialsError
from ..names import fold, is_key, is_name
from .protocol import StoreUnusableError

NAME = "environment"
PREFIX = "MLX_SECRET_"
FOLDER_VARIABLE = "MLX_SECRETS_DIR"
DEFAULT_FOLDER = Path("/run/secrets/mlx")


class EnvironmentStore:
    """Read MLX_SECRET_<NAME>__<KEY>, then <folder>/<name>/<key>; nothing is ever written there."""

    name = NAME

    @property
    def location(self) -> str:
        folder = self._folder()
        return f"{PREFIX}<NAME>__<KEY>" + (f", {folder}/<name>/<key>" if folder else "")

    def open(self) -> None:
        """Refuse only a folder that was named and is not there."""
        named = os.environ.get(FOLDER_VARIABLE)
        if named and not _is_folder(Path(named)):
            raise StoreUnusableError(NAME, f"{FOLDER_VARIABLE} names {named}, which is not a folder")

    def read(self, secret: str) -> dict[str, str] | None:
        """Return every key of a secret that is given here with its value."""
        found = {key: value for key in self.keys(secret) if (value := self.value(secret, key)) is not None}
        return found or None

    def keys(self, secret: str) -> tuple[str, ...]:
        """Return the keys that are given here, a file's spelling before a variable's; no value is read."""
        keys = self._variables().get(fold(secret), {}) | {fold(key): key for key in self._file_keys(secret)}
        return tuple(keys.values())

    def value(self, secret: str, key: str) -> str | None:
        """Return one value; an empty variable counts as absent, which is how CI passes a secret it has not got."""
        variable = os.environ.get(f"{PREFIX}{fold(secret)}__{fold(key)}")
        return variable or self._file(secret, key)

    def names(self) -> set[str]:
        """Return the names of the secrets that are given here, variables' in lower case."""
        names = {secret.lower() for secret in self._variables()}
        folder = self._folder()
        if folder:
            folded = {fold(name) for name in self._subfolders(folder)}
            names = {name for name in names if fold(name) not in folded} | set(self._subfolders(folder))
        return names

    def write(self, secret: str, values: Mapping[str, str]) -> None:
        raise self._read_only()

    def delete(self, secret: str) -> bool:
        raise self._read_only()

    def _read_only(self) -> StoreUnusableError:
        return StoreUnusableError(
            NAME, "it can only be read", hint="set MLX_SECRETS_BACKEND=auto to store secrets"
        )

    def _variables(self) -> dict[str, dict[str, str]]:
        """Return the keys that variables give, in lower case, by folded key, by folded name of the secret."""
        found: dict[str, dict[str, str]] = {}
        for variable, value in os.environ.items():
            secret, separator, key = variable[len(PREFIX) :].partition("__")
            if variable.startswith(PREFIX) and separator and value and is_name(secret) and is_key(key):
                found.setdefault(fold(secret), {})[fold(key)] = key.lower()
        return found

    def _folder(self) -> Path | None:
        named = os.environ.get(FOLDER_VARIABLE)
        folder = Path(named) if named else DEFAULT_FOLDER
        return folder if _is_folder(folder) else None

    def _file_keys(self, secret: str) -> list[str]:
        folder = self._folder()
        if folder is None or not is_name(secret):
            return []
        return [path.name for path in _entries(folder / secret) if is_key(path.name) and _is_file(path)]

    def _file(self, secret: str, key: str) -> str | None:
        folder = self._folder()
        if folder is None or not is_name(secret) or not is_key(key):
            return None
        path = folder / secret / key
        if not _is_file(path):
            return None
        try:
            text = path.read_bytes().decode("utf-8")
        except OSError as error:
            raise CredentialsError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError:
            raise CredentialsError(f"{path} is not UTF-8 text", hint="store it base64-encoded") from None
        return text.removesuffix("\r\n" if text.endswith("\r\n") else "\n")

    def _subfolders(self, folder: Path) -> list[str]:
        return [path.name for path in _entries(folder) if is_name(path.name) and _is_folder(path)]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # not there, or not for us: then nothing comes from it
        return []


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
