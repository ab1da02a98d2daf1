"""What a logged model says of the versions that were made from it, as MLflow's client writes it."""

from __future__ import annotations

import json


def with_version(known: str, name: str, version: int) -> str:
    """Add a version to the ones that are known, unless it is among them."""
    try:
        versions = json.loads(known or "[]")
    except ValueError:
        versions = []
    versions = versions if isinstance(versions, list) else []
    for item in versions:
        if isinstance(item, dict) and (item.get("name"), str(item.get("version"))) == (name, str(version)):
            return known
    return json.dumps([*versions, {"name": name, "version": version}])
