"""Projects with real models to deploy."""

from __future__ import annotations

from tests.deployments.zoo import bred, served, zoo

__all__ = ["bred", "served", "zoo"]
