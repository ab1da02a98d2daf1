"""The files of a model, wherever they are: read one, or take all of them into a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ....config.files import make_private_dir
from ....errors import AlreadyExistsError, MlxError, NotFoundError, UsageError
from ....stacks.addresses import bare_address
from ....stacks.model_addresses import model_id_in, run_path_in
from ....stacks.registries import LoggedModel, ModelVersion
from ..connection import Connection
from .backend import RegistryBackend
from .uris import local_path

if TYPE_CHECKING:
    from ..rest import Rest

_HOPS = 5
_SMALL = 64 * 1024 * 1024


class Files(Protocol):
    """One folder of files, somewhere."""

    def read(self, path: str) -> bytes | None:
        """Return the content of a small file, or None when it is not there."""

    def copy_to(self, folder: Path) -> int:
        """Write all files into a folder that is there, and return how many there were."""


class LocalFiles:
    """A folder on this machine."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> bytes | None:
        try:
            with (self._root / path).open("rb") as file:
                return file.read(_SMALL)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def copy_to(self, folder: Path) -> int:
        return _copy(self._root, folder) if self._root.is_dir() else 0


def read_file(files: Files, version: ModelVersion, path: str) -> bytes | None:
    """Return one small file of a version, or None."""
    if not _is_inside(path):
        raise UsageError(f"{path!r} is no path inside the folder of a model")
    try:
        return files.read(path)
    except OSError as error:
        raise MlxError(f"cannot read {path} of {version.reference}: {error.strerror or error}") from error


def take(files: Files, version: ModelVersion, location: str, target: Path) -> None:
    """Write the files of a version into a new folder; it appears when all of them are there."""
    if os.path.lexists(target):
        raise AlreadyExistsError(f"{target} exists already: nothing was written")
    make_private_dir(target.parent)
    draft = target.with_name(f".{target.name}.{os.urandom(6).hex()}.draft")
    try:
        draft.mkdir(mode=0o700)
        if files.copy_to(draft) == 0:
            raise NotFoundError(
                f"the files of {version.reference} are gone: there is nothing at {bare_address(location)}",
                hint=f"mlx model delete {version.reference}",
            )
        draft.rename(target)
    except OSError as error:
        raise MlxError(
            f"cannot write the files of {version.reference} into {target}: {error.strerror or error}; "
            "nothing was left behind"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def check_source(backend: RegistryBackend, model: LoggedModel) -> None:
    """Raise NotFoundError or UsageError for an address that cannot be where a model is.

    Whether a run or a logged model is there is for the store to check, which does it before it makes anything.
    """
    uri = model.uri
    if not uri:
        raise UsageError("a model is registered from an address, and there is none")
    if run_path_in(uri) or model_id_in(uri):
        return
    if uri.startswith("models:/"):
        if not uri.rpartition("/")[2].isdigit():
            raise UsageError(f"{uri!r} names no version by its number", hint="models:/NAME/7")
        real_location(backend, uri)
        return
    folder = local_path(uri)
    if folder is not None and not folder.exists():
        raise NotFoundError(f"there is no model at {bare_address(uri)}")
    if model.run_id:
        backend.location_of_run(model.run_id)


def real_location(backend: RegistryBackend, uri: str) -> str:
    """Follow an address that names a run, a logged model or another version to the folder it means."""
    for _ in range(_HOPS):
        inside, model_id = run_path_in(uri), model_id_in(uri)
        if inside is not None:
            uri = f"{backend.location_of_run(inside[0]).rstrip('/')}/{inside[1]}"
        elif model_id:
            uri = backend.location_of_model(model_id)
        elif uri.startswith("models:/") and uri.rpartition("/")[2].isdigit():
            name, _, number = uri.removeprefix("models:/").strip("/").rpartition("/")
            uri = backend.location(name, int(number))
        else:
            return uri
    raise MlxError(f"{bare_address(uri)} leads to another address again and again")


def files_at(location: str, to: Connection, rest: Rest | None, waiting: Callable[[str], None]) -> Files:
    """Return what reads the files at an address."""
    folder = local_path(location)
    if folder is not None:
        return LocalFiles(folder)
    if rest is not None:
        from .proxied_files import ProxiedFiles

        path = ProxiedFiles.path_in(location, to)
        if path is not None:
            return ProxiedFiles(rest, to, path)
    from .library_files import LibraryFiles

    return LibraryFiles(location, to, waiting)


def _is_inside(path: str) -> bool:
    parts = path.split("/")
    return not any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts)


def _copy(source: Path, target: Path) -> int:
    count = 0
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.is_dir():  # a link in a circle ends in ELOOP, which is an OSError
                inside = target / entry.name
                inside.mkdir(mode=0o700)
                count += _copy(Path(entry.path), inside)
            else:
                shutil.copyfile(entry.path, target / entry.name)  # refuses what is no file
                (target / entry.name).chmod(0o600)
                count += 1
    return count
