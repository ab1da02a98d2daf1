"""Small files of ours among a run's artifacts, put where MLflow looks for them without importing it."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from ...config.files import make_private_dir
from ...errors import MlxError
from ...stacks.addresses import shown_address
from .connection import Connection
from .registry.uris import local_path

if TYPE_CHECKING:  # a local store does without http.client and ssl
    from .rest import Answer, Rest

_API = "/api/2.0/mlflow-artifacts/artifacts"
_TIMEOUT = 5.0  # seconds: a run should not hang for its picture
_TYPE = "text/html; charset=utf-8"


class NotAttachedError(MlxError):
    """A file could not be put among a run's artifacts."""


def attach(to: Connection, rest: Rest | None, folder: str, name: str, content: bytes) -> None:
    """Put a file into the artifact folder of a run; `name` may have folders in it.

    A place that only MLflow's own client reaches is written to when MLflow is loaded already. Raises an MlxError.
    """
    here = local_path(folder)
    if here is not None:
        _write(to, here, name, content)
    elif rest is not None and (path := _proxied(folder, to)) is not None:
        answer = rest.upload(f"{_API}/{quote(f'{path}/{name}')}", content, _TYPE, timeout=_TIMEOUT)
        if answer.status not in (200, 201, 204):
            raise _refused(rest, answer)
    elif "mlflow" in sys.modules:
        _with_library(to, folder, name, content)
    else:
        raise NotAttachedError(
            f"only MLflow itself can write to {shown_address(folder)}, and it is not loaded"
        )


def _write(to: Connection, folder: Path, name: str, content: bytes) -> None:
    # Of a server's own disk we know nothing; where its root is not on this machine, its folders must not be made up here.
    is_here = folder.is_absolute() and any(parent.is_dir() for parent in list(folder.parents)[:3])
    if to.scenario != "local" and not is_here:
        raise NotAttachedError(f"{folder} is not on this machine")
    target = folder / name
    try:
        make_private_dir(target.parent)
        target.write_bytes(content)
        target.chmod(0o600)
    except OSError as error:
        raise NotAttachedError(f"{target} cannot be written: {error.strerror}") from error


def _proxied(folder: str, to: Connection) -> str | None:
    from .registry.proxied_files import ProxiedFiles

    return ProxiedFiles.path_in(folder, to)


def _refused(rest: Rest, answer: Answer) -> MlxError:
    if answer.status in (404, 405, 501):
        return NotAttachedError("the server does not take artifacts")
    return rest.refusal(answer)


def _with_library(to: Connection, folder: str, name: str, content: bytes) -> None:
    from .registry.library_use import library

    with tempfile.TemporaryDirectory() as scratch, library(to, lambda _: None):
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        inside, _, last = name.rpartition("/")
        draft = Path(scratch, last)
        draft.write_bytes(content)
        try:
            get_artifact_repository(folder).log_artifact(str(draft), inside or None)
        except Exception as error:  # of any of the libraries that MLflow uses
            why = re.sub(r"//[^/\s@]*@", "//", " ".join(str(error).split()))[:300]
            raise NotAttachedError(f"MLflow cannot write to {shown_address(folder)}: {why}") from error
