"""The parts found so far, each under its own label, and the work that is left."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import Any

from .places import Places, version_of


class Parts:
    """A growing set of labelled digests. Work is queued, so that a long chain of helpers needs no deep stack."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.found: dict[str, str] = {}
        self._queue: list[Callable[[], object]] = []
        self._seen: set[Any] = set()
        self._kept: list[Any] = []

    def is_new(self, key: Any, *alive: Any) -> bool:
        """Say whether this is met for the first time; what is told apart by `id` has to stay alive meanwhile."""
        if key in self._seen:
            return False
        self._seen.add(key)
        self._kept.extend(alive)
        return True

    def later(self, work: Callable[..., object], *arguments: Any) -> None:
        """Look at something when what is being looked at is done."""
        self._queue.append(functools.partial(work, *arguments))

    def run(self) -> dict[str, str]:
        """Do the work and return every part."""
        for work in self._queue:  # grows meanwhile
            work()
        return self.found

    def add(self, label: str, digest: str) -> None:
        """Add a part; another thing of the same name (two closures of one function) gets a number."""
        unique, count = label, 1
        while self.found.get(unique, digest) != digest:
            count += 1
            unique = f"{label}#{count}"
        self.found[unique] = digest

    def package(self, module: str) -> None:
        """Add the version of the package that a module belongs to."""
        root = module.partition(".")[0]
        if root and self.is_new(("package", root)):
            self.found[f"package {root}"] = version_of(root)


def sha(text: str | bytes) -> str:
    """Return the digest of text."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return hashlib.sha256(data).hexdigest()
