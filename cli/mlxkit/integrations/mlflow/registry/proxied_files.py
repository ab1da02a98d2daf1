"""Files that a tracking server keeps and hands out itself, over its own connection and with its credentials."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import quote, unquote, urlsplit

from ....errors import UnreachableError
from ..connection import Connection
from ..rest import Rest, plain
from ..streaming import Stream

_API = "/api/2.0/mlflow-artifacts/artifacts"
_DEPTH, _MOST = 32, 100_000


class ProxiedFiles:
    """A folder below the server's `mlflow-artifacts:` root."""

    def __init__(self, rest: Rest, to: Connection, root: str) -> None:
        self._rest = rest
        self._to = to
        self._root = root
        self._count = 0

    @staticmethod
    def path_in(location: str, to: Connection) -> str | None:
        """Return the path below the server's root, or None for an address that is not this server's."""
        parts, own = urlsplit(location), urlsplit(to.api_url)
        if to.scenario != "server" or parts.scheme != "mlflow-artifacts":
            return None
        if parts.netloc and parts.netloc != own.netloc:
            return None
        path = unquote(parts.path).strip("/")
        return path if ".." not in path.split("/") else None

    def read(self, path: str) -> bytes | None:
        answer = self._rest.request("GET", self._address(path))
        if answer.status == 404:
            return None
        if answer.status == 500 and path.rpartition("/")[2] not in self._names(path.rpartition("/")[0]):
            return None  # what a server says of a file that its disk does not have
        if answer.status != 200:
            raise self._rest.refusal(answer)
        return answer.body

    def copy_to(self, folder: Path) -> int:
        self._count = 0
        with contextlib.closing(Stream(self._rest, self._to)) as stream:
            self._copy(stream, "", folder, 0)
        return self._count

    def _copy(self, stream: Stream, inside: str, folder: Path, depth: int) -> None:
        for name, is_folder, size in self._list(inside):
            path, target = f"{inside}/{name}" if inside else name, folder / name
            if is_folder:
                if depth == _DEPTH:
                    raise self._nonsense(f"folders within folders, {_DEPTH} deep")
                target.mkdir(mode=0o700)
                self._copy(stream, path, target, depth + 1)
                continue
            self._count += 1
            if self._count > _MOST:
                raise self._nonsense(f"more than {_MOST} files")
            with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                got = stream.fetch(self._address(path), file.write)
            if size is not None and got != size:
                raise UnreachableError(
                    f"tracker {self._to.name!r}: {self._to.shown_url} sent {got} of the {size} bytes of {plain(path)}"
                )

    def _names(self, inside: str) -> set[str]:
        return {name for name, _, _ in self._list(inside)}

    def _list(self, inside: str) -> list[tuple[str, bool, int | None]]:
        """Return names, whether each is a folder, and the size of each file."""
        path = "/".join(part for part in (self._root, inside) if part)
        answer = self._rest.request("GET", _API, {"path": path})
        if answer.status == 404:
            return []
        if answer.status != 200:
            raise self._rest.refusal(answer)
        told = answer.json()
        try:
            return [
                (
                    self._safe(item["path"]),
                    bool(item.get("is_dir")),
                    None if item.get("file_size") is None else int(item["file_size"]),
                )
                for item in told.get("files") or ()
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._nonsense("no list of files") from error

    def _safe(self, name: str) -> str:
        """Return a name that stays inside of the folder it is written to, on any system."""
        if (
            name in ("", ".", "..")
            or "\0" in name
            or PurePosixPath(name).name != name
            or PureWindowsPath(name).name != name
        ):
            raise self._nonsense(f"a file named {plain(name)!r}")
        return name

    def _nonsense(self, what: str) -> UnreachableError:
        return UnreachableError(
            f"tracker {self._to.name!r}: {self._to.shown_url} tells of {what}: nothing was written",
            hint=f"mlx tracker test {self._to.name}",
        )

    def _address(self, path: str) -> str:
        inside = "/".join(part for part in (self._root, path) if part)
        return f"{_API}/{quote(inside)}"
