"""Models to test with, on the local store and on a real server."""

from __future__ import annotations

from tests.fixtures.shelf import (
    empty_registry,
    local_shelf,
    local_shelf_store,
    server_shelf,
    server_shelf_runs,
    shelf,
)

__all__ = [
    "empty_registry",
    "local_shelf",
    "local_shelf_store",
    "server_shelf",
    "server_shelf_runs",
    "shelf",
]
