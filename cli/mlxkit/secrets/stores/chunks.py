"""Entries in the credential manager of Windows, which is small and keeps a copy of what is overwritten.

A long entry becomes parts `<service>#<generation>.<number>`; the main entry then names the generation, so that a
reader sees the old value or the new one, and notices when parts do not belong together. Nothing is overwritten:
the new text goes to `<service>#new` first, then the old entry is removed, so that no moment is without a value.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from ...dataclass import dataclass
from .. import payload
from .protocol import IncompleteEntryError

_GENERATIONS = ("a", "b")


class Entries(Protocol):
    """The calls of a keyring that are used here; the texts are ASCII."""

    def get(self, service: str) -> str | None: ...

    def set(self, service: str, text: str) -> None: ...

    def delete(self, service: str) -> bool: ...


@dataclass(frozen=True)
class _Parts:
    count: int
    generation: str
    digest: str


def read(entries: Entries, service: str) -> str | None:
    """Return an entry, joined from its parts where it has any."""
    text = entries.get(service)
    if text is None:
        text = entries.get(_staged(service))
    parts = _described(text)
    if parts is None:
        return text
    pieces = [entries.get(_part(service, parts.generation, number)) for number in range(parts.count)]
    joined = "".join(piece or "" for piece in pieces)
    if _digest(joined) != parts.digest:
        raise IncompleteEntryError(
            f"the item {service} is not complete", hint="delete the secret and create it again"
        )
    return joined


def write(entries: Entries, service: str, text: str, limit: int) -> None:
    """Write an entry of which no part is longer than `limit`; no old value is left anywhere afterwards."""
    before = entries.get(service)
    old = _described(before)
    used, free = _GENERATIONS if old is None or old.generation == _GENERATIONS[0] else _GENERATIONS[::-1]
    new = text
    _drop_parts(entries, service, free)
    if len(text) > limit:
        pieces = [text[start : start + limit] for start in range(0, len(text), limit)]
        for number, piece in enumerate(pieces):
            entries.set(_part(service, free, number), piece)
        new = json.dumps(
            {"$parts": len(pieces), "$gen": free, "$sha256": _digest(text)}, separators=(",", ":")
        )
    _switch(entries, service, before, new)
    _drop_parts(entries, service, used)


def delete(entries: Entries, service: str) -> bool:
    """Remove an entry with everything that belongs to it."""
    staged = entries.delete(_staged(service))
    deleted = entries.delete(service)
    for generation in _GENERATIONS:
        _drop_parts(entries, service, generation)
    return deleted or staged


def _switch(entries: Entries, service: str, before: str | None, new: str) -> None:
    entries.delete(_staged(service))
    entries.set(_staged(service), new)
    try:
        entries.delete(service)
        entries.set(service, new)
    except Exception:
        if before is not None:
            entries.set(service, before)
            entries.delete(_staged(service))
        raise
    entries.delete(_staged(service))


def _drop_parts(entries: Entries, service: str, generation: str) -> None:
    """Remove the parts of a generation, the last one first, so that what a killed process leaves has no gap."""
    count = 0
    while entries.get(_part(service, generation, count)) is not None:
        count += 1
    for number in reversed(range(count)):
        entries.delete(_part(service, generation, number))


def _described(text: str | None) -> _Parts | None:
    data: Any = payload.parse(text) if text and text.startswith('{"$parts"') else None
    try:
        return _Parts(int(data["$parts"]), str(data["$gen"]), str(data["$sha256"])) if data else None
    except (KeyError, TypeError, ValueError):
        return None


def _staged(service: str) -> str:
    return f"{service}#new"


def _part(service: str, generation: str, number: int) -> str:
    return f"{service}#{generation}.{number}"


def _digest(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()
