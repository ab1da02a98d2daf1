"""The record of a stored value: enough to find it, check it and bring it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from ..dataclass import dataclass
from ..records import Record

INLINE_LIMIT = 4096


@dataclass(frozen=True)
class ArtifactRecord(Record):
    """A stored value.

    `digest` is a SHA-256 over the content and the name of its format (`hashing`); `materializer` names the format;
    `uri` is the key inside the store, ending in `/` for a folder, and empty when `inline` holds the content.
    `summary` is small and plain; its `code` names the user's classes and functions that the value is made of.
    """

    digest: str
    materializer: str
    type: str
    size: int
    uri: str = ""
    inline: bytes | None = field(default=None, repr=False)
    summary: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data without the content."""
        data = super().to_dict()
        del data["inline"]
        return data
