"""Where a server keeps its runs and its artifacts, as asked for with `-x backend=` and `-x artifacts=`."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from ....errors import MissingDependencyError, UsageError, did_you_mean
from ....stacks.addresses import bare_address, without_credentials
from ....stacks.attributes import InvalidAttributeError
from ..address import check_address, check_written, is_by_reference
from ..connection import sqlite_uri

# The scheme of an address: the module that MLflow needs for it, and the package it comes in.
_STORES = {
    "s3": ("boto3", "boto3"),
    "gs": ("google.cloud.storage", "google-cloud-storage"),
    "wasbs": ("azure.storage.blob", "azure-storage-blob azure-identity"),
    "abfss": ("azure.storage.filedatalake", "azure-storage-file-datalake azure-identity"),
    "hdfs": ("pyarrow", "pyarrow"),
    "sftp": ("pysftp", "pysftp"),
}
_WITH_BUCKET = ("s3", "gs", "wasbs", "abfss", "sftp")
_DRIVERS = ("psycopg2", "psycopg")


def backend_uri(given: str | None, folder: Path) -> str:
    """Return the address of the database as it is written down: absolute, and with references for credentials."""
    if given is None or given == "sqlite":
        return sqlite_uri(folder / "mlflow.db")
    scheme = given.partition(":")[0].partition("+")[0].lower()
    if scheme not in ("sqlite", "postgresql"):
        raise UsageError(
            f"-x backend={bare_address(given)}: it is sqlite, sqlite:///PATH or postgresql://..."
            f"{did_you_mean(scheme, ('sqlite', 'postgresql'))}"
        )
    try:
        check_written("backend", given)
        if "<<" not in given and "{{" not in given and not is_by_reference(given):
            check_address("backend", given)
    except InvalidAttributeError as error:
        raise UsageError(f"-x {error.message}", hint=error.hint) from None
    if scheme == "sqlite":
        return sqlite_uri(meant(given.partition(":///")[2]))
    return given


def shown_backend(uri: str) -> str:
    """Return the address of a database as it may be shown: references stay, credentials never."""
    return without_credentials(uri)


def need_driver(uri: str) -> None:
    """Raise MissingDependencyError when the database's client library is missing."""
    if uri.startswith("postgresql:") and not any(map(_is_there, _DRIVERS)):
        raise MissingDependencyError(
            "a PostgreSQL backend needs psycopg2, which is not installed", hint="pip install psycopg2-binary"
        )


def with_driver(uri: str) -> str:
    """Name the driver that is installed: what an address without one means is not the same in every SQLAlchemy."""
    found = next(filter(_is_there, _DRIVERS), None)
    return (
        uri.replace("postgresql:", f"postgresql+{found}:", 1)
        if uri.startswith("postgresql:") and found
        else uri
    )


def destination(given: str | None, folder: Path) -> str:
    """Return where artifacts go: an absolute folder, or the address of a bucket."""
    if given is None:
        return str(folder / "artifacts")
    scheme = urlsplit(given).scheme.lower()
    if "://" not in given:
        return str(meant(given))
    check_bucket(given)
    if scheme == "file":
        return str(Path(urlsplit(given).path))
    return given


def meant(path: str) -> Path:
    """Return a path that was typed as an absolute one; links stay, because what they lead to may change."""
    return Path(os.path.normpath(Path.cwd() / Path(path).expanduser()))


def check_bucket(url: str) -> None:
    """Refuse an address that MLflow knows no store for, or that holds credentials."""
    scheme = urlsplit(url).scheme.lower()
    if without_credentials(url) != url:
        raise UsageError(
            "-x artifacts: the address holds credentials",
            hint="leave them out: the store's library reads its own, from the environment or a role",
        )
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise UsageError(f"-x artifacts={bare_address(url)!r}: there is a blank in it")
    if scheme in _WITH_BUCKET and not urlsplit(url).netloc:
        raise UsageError(
            f"-x artifacts={url}: it names no bucket", hint=f"-x artifacts={scheme}://BUCKET/PATH"
        )
    if scheme != "file" and scheme not in _STORES:
        known = [*_STORES, "file"]
        raise UsageError(
            f"-x artifacts={bare_address(url)}: no store for {scheme}://{did_you_mean(scheme, known)}; "
            f"there are {', '.join(known)}, and folders"
        )


def need_store(url: str) -> None:
    """Raise MissingDependencyError when the library for a bucket is missing."""
    scheme = urlsplit(url).scheme.lower()
    if "://" in url and scheme in _STORES:
        _need(*_STORES[scheme], what=f"artifacts in {scheme}://")


def packages_for(url: str) -> str:
    """Return the packages that an image needs for a bucket, or nothing."""
    return _STORES[urlsplit(url).scheme.lower()][1] if "://" in url else ""


def is_bucket(url: str) -> bool:
    """Say whether artifacts go elsewhere than to a folder."""
    return "://" in url and not url.startswith("file:")


def _need(module: str, packages: str, *, what: str) -> None:
    if not _is_there(module):
        raise MissingDependencyError(
            f"{what} needs {module}, which is not installed", hint=f"pip install {packages}"
        )


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package above it
        return False
