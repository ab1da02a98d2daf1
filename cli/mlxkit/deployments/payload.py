"""What is sent to a deployment: JSON in MLflow's protocol, or CSV, streamed from where it is."""

from __future__ import annotations

import json
import re
import shlex
import stat
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from ..dataclass import dataclass
from ..errors import MlxError, NotFoundError, UsageError
from .signature import Signature

JSON, CSV = "application/json", "text/csv"
PROTOCOL = frozenset({"inputs", "instances", "dataframe_split", "dataframe_records"})
LLM = frozenset({"messages", "prompt", "input"})  # what MLflow takes for the form of chats and completions
_BESIDE = frozenset({"params", "signature_name"})  # stands beside the data, in any order
_CHUNK = 256 * 1024
_PARSED = 1024 * 1024  # up to this size JSON is checked before it is sent
_BOM = b"\xef\xbb\xbf"
_FIRST_KEY = re.compile(rb'\{\s*("(?:[^"\\]|\\.)*")')

Opener = Callable[[], BinaryIO]


@dataclass(frozen=True)
class Payload:
    """A request's body: its size in bytes is known before it is read."""

    content_type: str
    size: int
    opened: Opener
    skipped: int = 0
    before: bytes = b""
    after: bytes = b""
    what: str = "the data"

    def chunks(self) -> Iterator[bytes]:
        """Yield the body piece by piece."""
        if self.before:
            yield self.before
        try:
            source = self.opened()
        except OSError as error:
            raise _unreadable(self.what, error) from error
        with source:
            yield from self._read(source)
        if self.after:
            yield self.after

    def _read(self, source: BinaryIO) -> Iterator[bytes]:
        left = self.size - len(self.before) - len(self.after)
        is_at = False
        while left > 0:  # not more, if the file grew
            try:
                if not is_at:
                    is_at = source.seek(self.skipped) >= 0
                piece = source.read(min(_CHUNK, left))
            except OSError as error:  # what is ours to read is not the server's fault
                raise _unreadable(self.what, error) from error
            if not piece:
                raise MlxError(f"{self.what} has become shorter while it was sent", hint="try again")
            left -= len(piece)
            yield piece


def from_bytes(data: bytes, content_type: str, signature: Signature, *, what: str) -> Payload:
    """Return the payload of data that is here already; JSON that is not the protocol is put into it."""
    return _payload(content_type, len(data), lambda: BytesIO(data), signature, what)


def is_pipe(path: Path) -> bool:
    """Say whether a path is one that can be read only once, and has no size."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # whatever it is, opening it says so
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def from_file(path: Path, content_type: str, signature: Signature) -> Payload:
    """Return the payload of a file, which is read when it is sent."""
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise NotFoundError(f"no file {path}", hint=f"ls {shlex.quote(str(path.parent))}") from None
    except OSError as error:
        raise _unreadable(str(path), error) from error
    return _payload(content_type, size, lambda: path.open("rb"), signature, str(path))


def _unreadable(what: str, error: OSError) -> MlxError:
    return MlxError(f"cannot read {what}: {error.strerror or error}")


def _payload(content_type: str, size: int, opened: Opener, signature: Signature, what: str) -> Payload:
    with opened() as source:
        head = source.read(_PARSED)
    skipped = len(_BOM) if head.startswith(_BOM) else 0
    if not head[skipped:].strip():
        raise UsageError(f"{what} is empty", hint="--data '[[1, 2]]', @rows.json, @rows.csv or -")
    if content_type == CSV:
        return Payload(CSV, size - skipped, opened, skipped, what=what)
    parsed = _parsed(head[skipped:], what) if size <= _PARSED else None
    before, after = _wrapping(head[skipped:], parsed, opened, signature, what)
    return Payload(JSON, size - skipped + len(before) + len(after), opened, skipped, before, after, what)


def _parsed(data: bytes, what: str) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        place = f":{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        said = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise UsageError(
            f"{what}{place} is not JSON: {said}",
            hint="a file is written @rows.json, and CSV needs --format csv",
        ) from None


def _wrapping(
    head: bytes, parsed: object, opened: Opener, signature: Signature, what: str
) -> tuple[bytes, bytes]:
    """Return what has to stand round the JSON that begins with `head`, so that it is MLflow's protocol."""
    start = head.lstrip()
    if start.startswith(b"["):
        inside = start[1:].lstrip()
        if inside.startswith(b"{"):
            return b'{"dataframe_records": ', b"}"
        if inside.startswith(b"[") and signature.names:
            return b'{"dataframe_split": {"columns": ' + json.dumps(
                signature.names
            ).encode() + b', "data": ', b"}}"
        return b'{"inputs": ', b"}"
    if not start.startswith(b"{"):  # one number, or one text
        return b'{"inputs": [', b"]}"
    keys = _keys(start, parsed, opened, what)
    if keys & PROTOCOL or (keys & LLM and not keys & set(signature.names)):
        return b"", b""
    return b'{"dataframe_records": [', b"]}"


def _keys(start: bytes, parsed: object, opened: Opener, what: str) -> set[str]:
    """Return the keys of an object; of a large one the first, which decides unless it stands beside the data."""
    if isinstance(parsed, dict):
        return set(parsed)
    found = _FIRST_KEY.match(start)
    first = str(json.loads(found[1])) if found else ""
    if first not in _BESIDE:
        return {first}
    with opened() as source:
        whole = _parsed(source.read().removeprefix(_BOM), what)
    return set(whole) if isinstance(whole, dict) else set()
