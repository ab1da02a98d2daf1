"""Where MLflow says that files are: addresses of folders, here or elsewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit


def local_path(uri: str) -> Path | None:
    """Return the folder on this machine that an address means, or None for one elsewhere."""
    if uri.startswith("file:"):
        parts = urlsplit(uri)
        if parts.netloc not in ("", "localhost"):
            return None
        path = unquote(parts.path)
        return Path(path.lstrip("/") if os.name == "nt" else path)
    if re.match(r"[A-Za-z][A-Za-z0-9+.\-]+:", uri):
        return None
    return Path(uri) if uri else None
