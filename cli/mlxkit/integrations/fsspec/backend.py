"""One file system of fsspec: made anew in every process, its requests repeated, its errors put into words."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from ...artifacts.errors import ArtifactStoreError
from ...errors import MissingDependencyError
from . import faults
from .options import AT_ONCE, part_size
from .side_by_side import side_by_side

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
_THREADS = 2 * AT_ONCE
# Where writing an object makes it visible as a whole, or not at all, and a write can be bound to there being none.
_OBJECT_STORES = frozenset(("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"))
# Their libraries repeat a request by themselves; what is left is an answer that broke off.
_ATTEMPTS_BESIDES = 2
_ATTEMPTS_AT_ONCE = 3  # of one who wrote in the same instant as another, which no library repeats

T = TypeVar("T")
V = TypeVar("V")


class Backend:
    """Files below one address, named by keys relative to it."""

    def __init__(
        self, url: str, location: str, name: str, options: Callable[[], Mapping[str, Any]], retries: int
    ) -> None:
        self._url = url
        self._location, self._name = location, name
        self._options = options
        self.is_object_store = url.partition("://")[0].lower() in _OBJECT_STORES
        self.decides_the_first = self.is_object_store
        self._attempts = _ATTEMPTS_BESIDES if self.is_object_store else retries + 1
        self._is_s3 = url.lower().startswith(("s3://", "s3a://"))
        self._made: tuple[int, Any, str] | None = None
        self._beside: Backend | None = None

    def hasty(self, options: Callable[[], Mapping[str, Any]]) -> Backend:
        """Return the same files for requests that nobody needs an answer to: they are hardly repeated.

        `options` are for a library that repeats requests as it is told to when it is made.
        """
        other = Backend(self._url, self._location, self._name, options, retries=1)
        other._attempts = 1 if self.is_object_store else min(self._attempts, 2)
        other._beside, self._beside = self, other
        return other

    def size(self, key: str) -> int | None:
        """Return the size of a file, or None."""
        found = self.info(key)
        return None if found is None or found.get("type") == "directory" else int(found["size"])

    def info(self, key: str) -> Mapping[str, Any] | None:
        """Return what is known of a file, or None."""
        found: Mapping[str, Any] | None = self._ask("read", lambda fs, root: fs.info(_at(root, key)), None)
        return found

    def below(self, key: str) -> dict[str, Mapping[str, Any]]:
        """Return what is known of every file below a folder, by its name there."""

        def ask(fs: Any, root: str) -> dict[str, Mapping[str, Any]]:
            top = _at(root, key).rstrip("/")
            found = fs.find(top, detail=True, withdirs=False)
            return {_name_below(top, path): item for path, item in found.items() if _name_below(top, path)}

        return self._ask("list", ask, {})

    def children(self, key: str) -> list[tuple[str, bool]]:
        """Return the names in a folder, in order, each with whether it is a folder."""

        def ask(fs: Any, root: str) -> list[tuple[str, bool]]:
            top = _at(root, key).rstrip("/")
            items = fs.ls(top, detail=True)
            named = [(_name_below(top, item["name"]), item["type"] == "directory") for item in items]
            return sorted((name.rstrip("/"), is_folder) for name, is_folder in named if name.strip("/"))

        return self._ask("list", ask, [])

    def read(self, key: str, limit: int) -> bytes | None:
        """Return the content of a small file, or None: by way of a file, for that is one request everywhere."""
        with TemporaryDirectory(prefix="mlx-") as folder:
            path = Path(folder) / "content"
            return path.read_bytes() if self.download(key, path, limit) else None

    def download(self, key: str, path: Path, limit: int | None = None) -> bool:
        """Write a file to a local path; False when there is none. One that is said to be above a limit is not brought."""

        def get(fs: Any, root: str) -> bool:
            from .limited import TooLargeError, up_to

            try:
                fs.get_file(_at(root, key), str(path), callback=up_to(limit))
            except TooLargeError as error:
                raise ArtifactStoreError(f"{key} in {self._location} is too large: {error}") from error
            except FileNotFoundError as error:
                if path.parent.is_dir():
                    raise
                raise ArtifactStoreError(
                    f"{key} in {self._location} cannot be brought here: {path.parent} was removed meanwhile",
                    hint="run the same command again",
                ) from error
            return True

        return self._ask("read", get, False)

    def upload(self, path: Path, key: str) -> None:
        """Write a local file under a key; readers see all of it or what was there before."""
        # s3fs has parts of 50 MB, ten of them in memory at a time.
        in_parts = {"chunksize": part_size(path.stat().st_size)} if self._is_s3 else {}
        self._write(key, lambda fs, target: fs.put_file(str(path), target, **in_parts))

    def create(self, key: str, content: bytes) -> bool:
        """Write a small file where there is none, and say whether it was written.

        Object stores decide that themselves (If-None-Match and its like). Elsewhere a file of another name is renamed
        where nothing was found, so that of two writers in the same instant the later one can win.
        """
        if self.is_object_store:
            try:
                self._do(
                    "write",
                    lambda fs, root: fs.pipe_file(_at(root, key), content, mode="create"),
                    (faults.Taken, faults.Unsupported),
                )
            except faults.Taken:
                return False
            except faults.Unsupported:  # an older service of the same protocol
                self.decides_the_first = False
            else:
                return True
        if self.size(key) is not None:
            return False
        self._write(key, lambda fs, target: fs.pipe_file(target, content))
        return True

    def remove(self, key: str) -> None:
        """Remove a file; one that is not there is no error."""
        self._ask("delete", lambda fs, root: fs.rm_file(_at(root, key)), None)

    def remove_folder(self, key: str) -> None:
        """Remove what is left of a folder where folders are real."""
        if not self.is_object_store:
            self._ask("delete", lambda fs, root: fs.rm(_at(root, key).rstrip("/"), recursive=True), None)

    def at_once(self, work: Callable[[V], T], items: Iterable[V]) -> Iterator[T]:
        """Do something with every item, several at a time where the library allows it, in the order of the items."""
        given = list(items)
        if len(given) < 2 or not self._do("open", lambda fs, _: getattr(fs, "async_impl", False)):
            yield from map(work, given)
            return
        yield from side_by_side(work, given, _THREADS)

    def _write(self, key: str, write: Callable[[Any, str], object]) -> None:
        if self.is_object_store:
            self._do("write", lambda fs, root: write(fs, _at(root, key)))
            return

        def whole(fs: Any, root: str) -> None:
            target, draft = _at(root, key), _at(root, f"drafts/{os.getpid()}.{os.urandom(6).hex()}")
            for path in (target, draft):
                fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            try:
                write(fs, draft)
                if fs.exists(target):  # damaged content: not every file system renames over a file
                    fs.rm_file(target)
                fs.mv(draft, target)
            except BaseException:
                _try_to_remove(fs, draft)
                raise

        self._do("write", whole)

    def _ask(self, doing: str, request: Callable[[Any, str], T], absent: T) -> T:
        try:
            return self._do(doing, request, (faults.Missing,))
        except faults.Missing:
            return absent

    def _do(
        self, doing: str, request: Callable[[Any, str], T], awaited: tuple[type[faults.Known], ...] = ()
    ) -> T:
        """Make a request, again where that may help; raises what is `awaited`, or says in words what failed."""
        for attempt in range(max(self._attempts, _ATTEMPTS_AT_ONCE)):
            try:
                return request(*self._filesystem())  # some connect when they are made
            except Exception as error:
                known = faults.known(error, doing)
                if isinstance(known, awaited):
                    raise known from error
                if known is None and not faults.is_understood(error):
                    raise
                attempts = _ATTEMPTS_AT_ONCE if faults.is_conflict(error) else self._attempts
                # An object store that does not answer was asked often enough by its library.
                if (
                    attempt + 1 >= attempts
                    or not faults.is_passing(error)
                    or (self.is_object_store and faults.is_out_of_reach(error))
                ):
                    raise faults.explained(error, doing, self._location, self._name) from error
            if not self.is_object_store:
                self._made = None  # a connection that nobody used for long may be closed for good
            time.sleep(min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE) * random.uniform(0.5, 1.0))  # noqa: S311
        raise AssertionError("there is always an attempt")

    def _filesystem(self) -> tuple[Any, str]:
        """Return the file system of this process, and where our files begin in it.

        One that was made before a fork talks to a thread that is not in this process; its cache of instances and of
        listings would show one program what another, or nobody, has written.
        """
        if self._made is None or self._made[0] != os.getpid():
            from fsspec.core import url_to_fs

            options = {"skip_instance_cache": True, **self._options()}
            beside = self._beside._made if self._beside is not None else None
            session = getattr(beside[1], "session", None) if beside and beside[0] == os.getpid() else None
            if session is not None and self._is_s3:  # making one takes s3fs longer than all else
                options["session"] = session
            try:
                fs, root = url_to_fs(self._url, **options)
            except ImportError as error:
                raise MissingDependencyError(f"artifact store {self._location}: {error}") from error
            except (ValueError, TypeError) as error:  # what it was given
                raise faults.explained(OSError(str(error)), "open", self._location, self._name) from error
            if hasattr(fs, "dircache"):  # told when it is made, some hand it on to who does not know it
                fs.dircache.use_listings_cache = False
            if self._is_s3:  # it asks a silent service again, minutes each time, beside what botocore repeats
                fs.retries = self._attempts
            self._made = (os.getpid(), fs, str(root).rstrip("/"))
        return self._made[1], self._made[2]


def _at(root: str, key: str) -> str:
    return f"{root}/{key}" if key else root


def _name_below(top: str, path: str) -> str:
    """Return the name of a file below a folder; file systems differ in whether paths begin with a slash."""
    return path.lstrip("/").removeprefix(top.lstrip("/")).lstrip("/")


def _try_to_remove(fs: Any, path: str) -> None:
    with suppress(Exception):  # what is left is no key of anything
        fs.rm_file(path)
