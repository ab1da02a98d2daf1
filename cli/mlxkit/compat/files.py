"""`zenml.io.fileio` and `zenml.utils`: the file calls of materializers and small projects, on local paths."""

from __future__ import annotations

import glob as globbing
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ..config.yamltext import dump_yaml, load_yaml
from ..errors import UsageError


def open(path: str | os.PathLike[str], mode: str = "r") -> IO[Any]:
    """Open a local file."""
    return _local(path).open(mode)


def exists(path: str | os.PathLike[str]) -> bool:
    """Say whether there is something at a path."""
    return _local(path).exists()


def isdir(path: str | os.PathLike[str]) -> bool:
    """Say whether a path is a folder."""
    return _local(path).is_dir()


def listdir(path: str | os.PathLike[str]) -> list[str]:
    """Return the names in a folder."""
    return sorted(item.name for item in _local(path).iterdir())


def makedirs(path: str | os.PathLike[str]) -> None:
    """Make a folder and those above it; one that is there is left alone."""
    _local(path).mkdir(parents=True, exist_ok=True)


def mkdir(path: str | os.PathLike[str]) -> None:
    """Make a folder."""
    _local(path).mkdir()


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file."""
    _local(path).unlink()


def rmtree(path: str | os.PathLike[str]) -> None:
    """Remove a folder with everything in it."""
    shutil.rmtree(_local(path))


def rename(src: str | os.PathLike[str], dst: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Move a file; one that is in the way is kept unless told."""
    _free(dst, overwrite)
    _local(src).replace(_local(dst))


def copy(src: str | os.PathLike[str], dst: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Copy a file; one that is in the way is kept unless told."""
    _free(dst, overwrite)
    shutil.copyfile(_local(src), _local(dst))


def glob(pattern: str) -> list[str]:
    """Return the paths that fit a pattern."""
    return sorted(globbing.glob(str(_local(pattern))))  # noqa: PTH207  patterns may be absolute


def size(path: str | os.PathLike[str]) -> int:
    """Return the size of a file in bytes."""
    return _local(path).stat().st_size


def stat(path: str | os.PathLike[str]) -> os.stat_result:
    """Return what the system knows of a file."""
    return _local(path).stat()


def walk(top: str | os.PathLike[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk through a folder and those in it."""
    return os.walk(_local(top))


def read_file_contents_as_string(file_path: str) -> str:
    """Return the text of a file."""
    return _local(file_path).read_text("utf-8")


def write_file_contents_as_string(file_path: str, content: str) -> None:
    """Write a text to a file."""
    _local(file_path).write_text(content, "utf-8")


def create_dir_recursive_if_not_exists(dir_path: str) -> None:
    """Make a folder and those above it."""
    makedirs(dir_path)


def create_file_if_not_exists(file_path: str, file_contents: str = "{}") -> None:
    """Write a file that is not there yet."""
    if not exists(file_path):
        makedirs(_local(file_path).parent)
        write_file_contents_as_string(file_path, file_contents)


def resolve_relative_path(path: str) -> str:
    """Return a path without links and dots."""
    return str(_local(path).resolve())


def read_yaml(file_path: str) -> Any:
    """Return the data of a YAML file."""
    return load_yaml(read_file_contents_as_string(file_path), what=str(file_path))


def write_yaml(file_path: str, contents: Any, sort_keys: bool = True) -> None:
    """Write data to a YAML file."""
    data = dict(sorted(contents.items())) if sort_keys and isinstance(contents, dict) else contents
    write_file_contents_as_string(file_path, dump_yaml(data))


def _local(path: str | os.PathLike[str]) -> Path:
    text = os.fspath(path)
    if "://" in text:
        raise UsageError(
            f"zenml.io.fileio reads and writes local paths here, not {text.partition('://')[0]}://"
        )
    return Path(text)


def _free(path: str | os.PathLike[str], overwrite: bool) -> None:
    if not overwrite and _local(path).exists():
        raise FileExistsError(f"{os.fspath(path)} exists; overwrite=True replaces it")
