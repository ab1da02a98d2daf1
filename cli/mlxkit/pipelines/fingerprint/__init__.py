"""What a step's result depends on in code, as named digests: its source and everything of the project it reaches."""

from __future__ import annotations

from .changes import explain
from .key import cache_key
from .reach import code_parts

__all__ = ["cache_key", "code_parts", "explain"]
