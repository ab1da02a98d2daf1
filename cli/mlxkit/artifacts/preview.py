"""A first look at a stored value: the head of a text, the corner of an array, a few rows, a small picture."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ..dataclass import dataclass
from ..records import Record, plain
from .neutral import Instance, Part, to_json
from .opening import CLOSED, Opened, open_safely
from .preview_pictures import Pixels, kind_of_picture, picture_of
from .records import ArtifactRecord
from .shortening import short
from .store import ArtifactStore

LINES, WIDTH = 12, 80
_HUGE = 64 << 20  # bytes: what is larger is not taken apart for a look


@dataclass(frozen=True)
class Preview(Record):
    """What is to be seen of a value: facts, lines of text no wider than asked, and perhaps the pixels of a picture."""

    kind: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    note: str = ""
    pixels: Pixels | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pixels."""
        return {
            "schema_version": super().to_dict()["schema_version"], "kind": self.kind, "facts": plain(self.facts),
            "lines": list(self.lines), "note": self.note,
        }  # fmt: skip


def preview(
    record: ArtifactRecord,
    store: ArtifactStore,
    *,
    rows: int = LINES,
    width: int = WIDTH,
    unpickle: bool = False,
    pixels: bool = False,
) -> Preview:
    """Return a first look at an artifact; what is pickled is opened only when told.

    Raises ArtifactMissingError and ArtifactUnreadableError.
    """
    if record.materializer in ("text", "json") and record.size > _HUGE:
        return Preview(
            "closed", {"size": record.size}, note="too large for a preview; mlx artifact get shows it"
        )
    return preview_of(open_safely(record, store, unpickle=unpickle), rows=rows, width=width, pixels=pixels)


def preview_of(opened: Opened, *, rows: int = LINES, width: int = WIDTH, pixels: bool = False) -> Preview:
    """Return a first look at what was opened."""
    if opened.kind == "table":
        from .preview_tables import table_lines

        facts, lines = table_lines(opened, rows, width)
        return Preview("table", facts, lines)
    if opened.kind == "array":
        return _array(opened.value, rows, width, pixels)
    if opened.kind == "text":
        return _text(opened.value, rows, width)
    if opened.kind == "bytes":
        return _bytes(opened.value, width, pixels)
    if opened.kind == "value":
        return _value(opened.value, rows, width)
    if opened.kind == "object":
        return _object(opened.value, rows, width, pixels)
    return Preview("closed", note=opened.note or CLOSED)


def _array(array: Any, rows: int, width: int, pixels: bool) -> Preview:
    from .preview_arrays import array_lines

    facts, lines = array_lines(array, rows, width)
    seen = picture_of(array, width) if pixels else None
    return Preview("array", facts, lines, pixels=seen)


def _text(text: str, rows: int, width: int) -> Preview:
    total = text.count("\n") + (not text.endswith("\n") if text else 0)
    head = text[: rows * 4096].split("\n")
    shown = tuple(short(line.rstrip("\r"), width) for line in head[: min(rows, total)])
    more = f"{total - len(shown)} more lines" if total > len(shown) else ""
    return Preview("text", {"lines": total, "characters": len(text)}, shown, more)


def _bytes(content: bytes, width: int, pixels: bool) -> Preview:
    picture = kind_of_picture(content)
    if picture is not None:
        seen = picture_of(content, width) if pixels else None
        return Preview("picture", {**picture, "bytes": len(content)}, pixels=seen)
    head = content[:64]
    lines = tuple(
        f"{start:04x}  {head[start : start + 16].hex(' '):<47}  "
        + "".join(chr(byte) if 32 <= byte < 127 else "." for byte in head[start : start + 16])
        for start in range(0, len(head), 16)
    )
    return Preview("bytes", {"bytes": len(content)}, lines)


def _value(value: Any, rows: int, width: int) -> Preview:
    facts: dict[str, Any] = {}
    if isinstance(value, (dict, list, tuple)):
        facts["length"] = len(value)
    if isinstance(value, Instance):
        facts["class"] = value.name
    text = json.dumps(to_json(_head(value, rows)), indent=2, ensure_ascii=False)
    lines = text.split("\n")
    shown = lines[:rows]
    return Preview(
        "value", facts, tuple(short(line, width) for line in shown), "more below" if len(lines) > rows else ""
    )


def _head(value: Any, rows: int) -> Any:
    """Return a value with no more of a long list or dictionary than can be shown; one more says that there is more."""
    if isinstance(value, dict):
        return {key: _head(item, rows) for key, item in list(value.items())[: rows + 1]}
    if isinstance(value, (list, tuple)):
        return [_head(item, rows) for item in value[: rows + 1]]
    if isinstance(value, Part):
        return _named(value)
    return value


def _named(part: Part) -> str:
    opened = part.read()
    if opened.kind == "array":
        return f"<array {'x'.join(map(str, opened.value.shape))} {opened.value.dtype}>"
    if opened.kind == "table":
        return f"<table {opened.value.num_rows} x {len(opened.names)}>"
    return f"<{part.format}>"


def _object(value: Any, rows: int, width: int, pixels: bool) -> Preview:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if type(value).__module__.startswith("PIL."):
        seen = picture_of(value, width) if pixels else None
        return Preview(
            "picture",
            {"format": value.format or "PIL", "width": value.width, "height": value.height},
            pixels=seen,
        )
    lines = repr(value).split("\n")[:rows]
    return Preview("object", {"class": kind}, tuple(short(line, width) for line in lines))
