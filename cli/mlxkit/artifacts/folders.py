"""Content that is a folder: files, and a manifest that names each with its size and digest.

The digest of the folder is the digest of its manifest, so that reading little proves what every file must be.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from .errors import ArtifactMissingError, UnstorableOutputError
from .hashing import file_digest, hashing_file

MANIFEST = "manifest.json"
FILES = "files"

Entries = dict[str, tuple[int, str]]


def write_manifest(folder: Path, tag: str, known: Mapping[str, str]) -> tuple[str, int]:
    """Describe what is under `files` and return the digest and the size of it all; `known` digests are not computed again."""
    entries = []
    total = 0
    for path in sorted(_regular_files(folder / FILES), key=lambda item: item.as_posix()):
        name = path.relative_to(folder / FILES).as_posix()
        if "\\" in name:  # no reader would take it: elsewhere it leads out of the folder
            raise UnstorableOutputError(f"{name!r} cannot be stored: there is a backslash in the file's name")
        size = path.stat().st_size
        entries.append([name, size, known.get(name) or file_digest(path)])
        total += size
    listed: dict[str, list[Any]] = {"files": entries}
    if empty := sorted(_empty_folders(folder / FILES)):  # which a store that keeps files alone would lose
        listed["folders"] = empty
    with hashing_file(folder / MANIFEST, tag) as file:
        file.write(json.dumps(listed, separators=(",", ":")).encode())
    return file.hexdigest(), total + file.size


def read_manifest(folder: Path, tag: str, digest: str) -> Entries:
    """Return the files a folder must have, after checking the manifest and the size of each."""
    try:
        if file_digest(folder / MANIFEST, tag) != digest:
            raise ArtifactMissingError(f"artifact {digest[:12]} is damaged: its manifest was changed")
        entries = entries_of(folder / MANIFEST, digest)
        for name, (size, _) in entries.items():
            found = (folder / FILES / name).lstat()
            if not stat.S_ISREG(found.st_mode) or found.st_size != size:
                raise ArtifactMissingError(f"artifact {digest[:12]} is damaged: {name} has another size")
        for inner in _folders_of(folder, entries):
            if not stat.S_ISDIR(inner.lstat().st_mode):
                raise ArtifactMissingError(f"artifact {digest[:12]} is damaged: {inner.name} is a link")
    except OSError as error:
        raise ArtifactMissingError(
            f"artifact {digest[:12]} is not complete: {error.strerror or error}"
        ) from error
    return entries


def entries_of(manifest: Path, digest: str) -> Entries:
    """Return the files that a manifest names; raises ArtifactMissingError where one leads out of its folder."""
    return _listed(manifest, digest)[0]


def empty_folders_of(manifest: Path, digest: str) -> list[str]:
    """Return the folders without a file that a manifest names; raises ArtifactMissingError as `entries_of` does."""
    return _listed(manifest, digest)[1]


def _listed(manifest: Path, digest: str) -> tuple[Entries, list[str]]:
    entries: Entries = {}
    folders: list[str] = []
    try:
        listed = json.loads(manifest.read_bytes())
        for name in listed.get("folders", ()):
            os.fsencode(name)
            folders.append(str(name))
        for name, size, found in listed["files"]:
            if type(name) is not str or type(size) is not int or size < 0 or type(found) is not str:
                raise TypeError
            os.fsencode(name)
            entries[name] = (size, found)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactMissingError(
            f"artifact {digest[:12]} is damaged: its manifest cannot be read"
        ) from error
    for name in (*entries, *folders):
        path = PurePosixPath(name)
        if (
            path.is_absolute() or os.path.splitdrive(name)[0] or ".." in path.parts
            or "\\" in name or "\0" in name or str(path) != name
        ):  # fmt: skip
            raise ArtifactMissingError(f"artifact {digest[:12]} is damaged: its manifest names {name!r}")
    return entries, folders


def check_file(folder: Path, entries: Entries, name: str) -> Path:
    """Return the path of a file whose content is what the manifest says."""
    path = folder / FILES / name
    try:
        is_whole = name in entries and file_digest(path) == entries[name][1]
    except OSError as error:
        raise ArtifactMissingError(f"stored file {name} cannot be read: {error.strerror or error}") from error
    if not is_whole:
        raise ArtifactMissingError(f"stored file {name} is damaged: its content was changed")
    return path


def _folders_of(folder: Path, entries: Entries) -> set[Path]:
    top = PurePosixPath(FILES)
    return {folder / above for name in entries for above in (top / name).parents if above.parts}


def _empty_folders(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_dir() and next(path.iterdir(), None) is None:
            yield path.relative_to(folder).as_posix()


def _regular_files(folder: Path) -> Iterator[Path]:
    """Walk a folder that user code may have written: private modes, links replaced by what they point to."""
    for path in folder.iterdir():
        if path.is_symlink():
            target = path.resolve()
            if not target.is_file():
                raise UnstorableOutputError(f"{path.name} is a link to something other than a file")
            content = target.read_bytes()
            path.unlink()
            path.write_bytes(content)
        if path.is_dir():
            path.chmod(0o700)
            yield from _regular_files(path)
        elif path.is_file():
            path.chmod(0o600)
            yield path
        else:
            raise UnstorableOutputError(f"{path.name} is neither a file nor a folder")
