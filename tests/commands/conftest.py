"""A project folder, and models, for command tests."""

from __future__ import annotations

from tests.fixtures.shelf import (
    empty_registry,
    local_shelf,
    local_shelf_store,
    server_shelf,
    server_shelf_runs,
    shelf,
)
from tests.pipelines.conftest import project, write

__all__ = [
    "empty_registry",
    "local_shelf",
    "local_shelf_store",
    "project",
    "server_shelf",
    "server_shelf_runs",
    "shelf",
    "write",
]
