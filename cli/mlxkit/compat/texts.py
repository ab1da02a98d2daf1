"""Text of a known format, and the types of metadata: names that files use in annotations and in metadata."""

from __future__ import annotations

from typing import Any

SERVICE_TIMEOUT = 60  # seconds
MetadataType = Any
Path = Uri = DType = str
StorageSize = int


class HTMLString(str):
    """Text that is HTML."""


class MarkdownString(str):
    """Text that is Markdown."""


class CSVString(str):
    """Text that is CSV."""


class JSONString(str):
    """Text that is JSON."""
