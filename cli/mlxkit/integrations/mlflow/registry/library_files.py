"""Files in any place that MLflow itself can reach: S3, Google Cloud, Azure, DBFS, Unity Catalog, ..."""

from __future__ import annotations

import errno
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ....errors import MlxError
from ....stacks.addresses import shown_address
from ..connection import Connection
from ..rest import plain
from .library_use import library

_DISK = (errno.ENOSPC, errno.EFBIG, errno.EROFS)


class LibraryFiles:
    """A folder that MLflow downloads, with the tracker's credentials where the server has it."""

    def __init__(self, location: str, to: Connection, waiting: Callable[[str], None]) -> None:
        self._location = location
        self._to = to
        self._waiting = waiting

    def read(self, path: str) -> bytes | None:
        with tempfile.TemporaryDirectory() as scratch, library(self._to, self._waiting):
            repository = self._repository()
            try:
                folder, _, name = path.rpartition("/")
                listed = repository.list_artifacts(folder or None)
                if not any(item.path.rpartition("/")[2] == name and not item.is_dir for item in listed):
                    return None
                return Path(repository.download_artifacts(path, scratch)).read_bytes()
            except Exception as error:
                raise self._failed(error) from error

    def copy_to(self, folder: Path) -> int:
        with library(self._to, self._waiting):
            repository = self._repository()
            try:
                if not repository.list_artifacts(None):
                    return 0
                made = Path(repository.download_artifacts("", str(folder)))
            except Exception as error:  # of any of the libraries that MLflow uses
                if isinstance(error, OSError) and error.errno in _DISK:
                    raise
                raise self._failed(error) from error
        if made.resolve() != folder.resolve():
            for item in made.iterdir():
                shutil.move(str(item), folder / item.name)
        return sum(1 for item in folder.rglob("*") if item.is_file())

    def _repository(self) -> Any:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        try:
            return get_artifact_repository(self._location)
        except Exception as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> MlxError:
        why = re.sub(r"//[^/\s@]*@", "//", plain(error))[:300]
        return MlxError(f"MLflow cannot read {shown_address(self._location)}: {why}")
