"""A project folder for command tests."""

from __future__ import annotations

from tests.pipelines.conftest import project, write

__all__ = ["project", "write"]
