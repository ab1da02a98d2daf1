"""How values are written and read: the built-in formats, and the base of a user's own."""

from __future__ import annotations

from .base import BaseMaterializer

__all__ = ["BaseMaterializer"]
