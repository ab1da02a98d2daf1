"""Which clusters have a node on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ...config.scratch import is_scratch


def clusters_nearby(processes: Any) -> list[str]:
    """Return the addresses of the clusters that `auto` can mean; `processes` is psutil.

    Ray's own search also finds those that runs have started for themselves, which take nobody in, and those of other
    users in folders of their own: it ends the process that tries to connect to one.
    """
    found = set()
    for process in processes.process_iter(["cmdline"]):
        words = process.info["cmdline"] or [""]
        if Path(words[0]).stem != "raylet":
            continue
        told = dict(word[2:].split("=", 1) for word in words if word.startswith("--") and "=" in word)
        folder, address = Path(told.get("temp_dir", "")), told.get("gcs-address")
        if address and not is_scratch(folder.parent, "ray") and os.access(folder, os.W_OK):
            found.add(address)
    return sorted(found)
