"""One digest for many named parts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def cache_key(parts: Mapping[str, str]) -> str:
    """Return the digest of named parts; neither their order nor what a name or value contains can confuse two sets."""
    digest = hashlib.sha256(b"mlx cache key 1")
    for name in sorted(parts):
        for text in (name, parts[name]):
            data = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(data))
            digest.update(data)
    return digest.hexdigest()
