"""Addresses that a model is registered from: what a run keeps at a path, and a logged model by its id."""

from __future__ import annotations

import re


def run_path_in(uri: str) -> tuple[str, str] | None:
    """Return run id and path in `runs:/ID/path`, or None."""
    found = re.fullmatch(r"runs:/+([^/]+)/(.+)", uri)
    return (found[1], found[2].strip("/")) if found else None


def model_id_in(uri: str) -> str:
    """Return the id in `models:/m-...`, or an empty string: versions by name or alias have none."""
    found = re.fullmatch(r"models:/(m-[0-9A-Za-z]+)/?", uri)
    return found[1] if found else ""
