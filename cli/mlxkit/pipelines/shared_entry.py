"""An entry of the shared cache: what a step gave, as a document that another checkout can check before it believes it."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from .._version import __version__
from ..artifacts import neutral
from ..artifacts.io import CODE, inline_digest
from ..artifacts.records import INLINE_LIMIT
from ..artifacts.store import ENTRY_LIMIT, uri_of
from ..artifacts.trust import mark, unmarked
from ..dataclass import dataclass
from ..records import Record, plain
from ..runs.records import OutputRecord, StepRecord, iso
from .fingerprint import cache_key
from .linked import NOTES, notes_of
from .models import NOTES_KEY
from .named import LOADED

FORMAT = "mlx cache entry"
VERSION = 1
PREFIX = "cache/"
_OUTPUT = "output "  # what the part of a key begins with that an output's name is in
_LARGEST_OUTPUT = 2**62  # bytes, and what a database can hold
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_END_OF_TIME = 1e11  # seconds since the epoch that a date can still be made of
LARGEST = ENTRY_LIMIT  # bytes of an entry; what is larger is not published, and not believed


class UnbelievableEntryError(Exception):
    """An entry is not what it should be; the text says why. `is_newer`: a newer version of mlx wrote it."""

    def __init__(self, reason: str, *, is_newer: bool = False) -> None:
        super().__init__(reason)
        self.is_newer = is_newer


@dataclass(frozen=True)
class CacheEntry(Record):
    """A step that somebody ran, for everybody who would run the same.

    `by` is who, as `user@host`; `run`, `pipeline`, `step` and `step_id` are where; `seconds` is how long it took;
    `tracked_on` is the address of the tracker it was logged to, empty for a store of that machine alone, null when
    it was not logged. `written` is in seconds since the epoch, and in ISO 8601 as JSON.
    """

    key: str
    step: str
    pipeline: str
    run: str
    step_id: str
    seconds: float
    by: str
    written: float
    mlx: str = __version__
    python: str = field(default_factory=lambda: ".".join(platform.python_version_tuple()[:2]))
    tracked_on: str | None = None
    outputs: tuple[OutputRecord, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of the outputs."""
        return sum(output.size for output in self.outputs)

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "written": iso(self.written), "size": self.size}

    def step_record(self) -> StepRecord:
        """Return the step as history would have it; its outputs carry who wrote them."""
        outputs = tuple(replace(item, summary=mark(item.summary, self.by, self.run)) for item in self.outputs)
        return StepRecord(
            id=self.step_id, run_id=self.run, name=self.step, position=0, status="completed",
            started=self.written - self.seconds, ended=self.written, cache_key=self.key, outputs=outputs,
            metadata=self.metadata, parts=self.parts,
        )  # fmt: skip


def entry_name(key: str) -> str:
    """Return the name under which a store keeps the entry of a cache key."""
    return f"{PREFIX}{key[:2]}/{key}"


def key_of(name: str) -> str:
    """Return the cache key that the name of an entry ends with."""
    return name.rpartition("/")[2]


def write_entry(entry: CacheEntry) -> bytes:
    """Return an entry as canonical JSON: the same entry is always the same bytes."""
    body = {
        name: plain(getattr(entry, name)) for name in CacheEntry.__dataclass_fields__ if name != "outputs"
    }
    body["outputs"] = [
        {
            "name": item.name, "digest": item.digest, "materializer": item.materializer, "type": item.type,
            "size": item.size, "uri": item.uri, "summary": plain(unmarked(item.summary)),
            "inline": None if item.inline is None else b64encode(item.inline).decode(),
        }
        for item in entry.outputs
    ]  # fmt: skip
    body |= {"format": FORMAT, "version": VERSION}
    return _canonical({**body, "digest": _digest(body)})


def read_entry(content: bytes, key: str) -> CacheEntry:
    """Return the entry that a document is, after checking all that can be checked without its outputs' content.

    Raises UnbelievableEntryError.
    """
    if len(content) > LARGEST:
        raise UnbelievableEntryError(f"it is larger than an entry can be ({len(content)} bytes)")
    try:
        body = json.loads(content)
        if not isinstance(body, dict) or body.get("format") != FORMAT:
            raise UnbelievableEntryError("it is no cache entry")
        if body.get("version") != VERSION:
            is_newer = isinstance(body.get("version"), int) and body["version"] > VERSION
            raise UnbelievableEntryError(
                f"its format is version {body.get('version')}, and this mlx knows {VERSION}",
                is_newer=is_newer,
            )
        if body.pop("digest", None) != _digest(body):
            raise UnbelievableEntryError("it was changed after it was written")
        entry = _entry(body)
    except UnbelievableEntryError:
        raise
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        raise UnbelievableEntryError("it is damaged") from error
    if entry.key != key:
        raise UnbelievableEntryError("it is the entry of another key")
    if cache_key(entry.parts) != key:
        raise UnbelievableEntryError("its parts do not make its key")
    for output in entry.outputs:
        _check(output)
    _check_names(entry)
    return entry


def _entry(body: Mapping[str, Any]) -> CacheEntry:
    fields = {name: body[name] for name in CacheEntry.__dataclass_fields__}
    texts = ("key", "step", "pipeline", "run", "step_id", "by", "mlx", "python")
    if not all(type(fields[name]) is str and fields[name].isprintable() for name in texts):  # they are shown
        raise TypeError
    if not all(type(name) is str and type(part) is str for name, part in fields["parts"].items()):
        raise TypeError
    fields["seconds"], fields["written"] = float(fields["seconds"]), float(fields["written"])
    if not 0 <= fields["written"] < _END_OF_TIME or not (fields["tracked_on"] or "").isprintable():
        raise ValueError
    if not 0 <= fields["seconds"] <= fields["written"]:
        raise ValueError
    json.dumps(body, ensure_ascii=False).encode()  # half of a character cannot be kept nor shown
    fields["metadata"] = _metadata(fields["metadata"])
    fields["outputs"] = tuple(_output(item) for item in fields["outputs"])
    return CacheEntry(**fields)


def _metadata(found: Any) -> dict[str, Any]:
    """Return metadata whose known keys hold what runs expect there."""
    loaded = found.get(LOADED, [])
    if not isinstance(loaded, list) or not all(
        isinstance(item.get("name"), str) and isinstance(item.get("digest"), str) for item in loaded
    ):
        raise TypeError
    if not all(isinstance(found.get(key, {}), dict) for key in (NOTES, NOTES_KEY)):
        raise TypeError
    return dict(found)


def _output(item: Mapping[str, Any]) -> OutputRecord:
    if any(type(item[name]) is not str for name in ("name", "digest", "materializer", "type", "uri")):
        raise TypeError
    if not all(item[name].isprintable() for name in ("name", "materializer", "type")):  # they are shown
        raise ValueError
    if not _DIGEST.fullmatch(item["digest"]):
        raise ValueError
    if type(item["size"]) is not int or not 0 <= item["size"] <= _LARGEST_OUTPUT:
        raise ValueError
    code = item["summary"].get(CODE, [])
    if not isinstance(code, list) or not all(type(name) is str for name in code):
        raise TypeError
    return OutputRecord(
        name=item["name"], digest=item["digest"], materializer=item["materializer"], type=item["type"],
        size=item["size"], uri=item["uri"], summary=dict(item["summary"]),
        inline=None if item["inline"] is None else b64decode(item["inline"], validate=True),
    )  # fmt: skip


def _check(output: OutputRecord) -> None:
    """Refuse an output that leads elsewhere than its digest says."""
    if output.inline is not None:
        if output.uri or inline_digest(output.inline, output.materializer) != output.digest:
            raise UnbelievableEntryError(f"its output {output.name!r} is not what its digest says")
        if len(output.inline) != output.size or output.size > INLINE_LIMIT or not _is_value(output):
            raise UnbelievableEntryError(f"its output {output.name!r} is no value")
    elif output.uri != uri_of(output.digest, is_folder=output.uri.endswith("/")):
        raise UnbelievableEntryError(f"its output {output.name!r} does not lie where its digest says")


def _check_names(entry: CacheEntry) -> None:
    """Refuse other outputs than those that the step declares, which are in its key, and those that it says it saved."""
    names = [output.name for output in entry.outputs]
    declared = {name.removeprefix(_OUTPUT) for name in entry.parts if name.startswith(_OUTPUT)}
    saved = {name for name in names if notes_of(entry.metadata, name).get("saved")}
    is_other = declared and not declared <= set(names) <= declared | saved  # every step of ours declares one
    if is_other or len(set(names)) != len(names):
        raise UnbelievableEntryError("its outputs are not those of the step")


def _is_value(output: OutputRecord) -> bool:
    """Say whether a small value can be read; nothing is imported or made for it."""
    content = output.inline or b""
    try:
        if output.materializer == "text":
            content.decode("utf-8", "surrogatepass")
        else:
            neutral.decode(content)
    except Exception:  # whatever it takes the readers of its parts to fail
        return False
    return output.materializer in ("text", "json")


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(body)).hexdigest()


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
