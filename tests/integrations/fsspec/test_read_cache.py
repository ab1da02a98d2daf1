"""The copies that this machine keeps, where others use them at the same time."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from mlxkit.artifacts.store import uri_of
from mlxkit.integrations.fsspec import read_cache
from mlxkit.integrations.fsspec.read_cache import GRACE, ReadCache


def test_a_copy_that_somebody_asks_for_while_room_is_made_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = ReadCache(tmp_path, limit=1000)
    uris = [uri_of(letter * 64, is_folder=False) for letter in "abc"]
    for age, uri in enumerate(uris):
        with cache.draft() as draft:
            (draft / "content").write_bytes(b"x" * 90)
            path = cache.keep(draft / "content", uri)
        past = time.time() - GRACE - 100 + age
        os.utime(path, (past, past))
    looked_at = read_cache._copies

    def meanwhile(folder: Path) -> list[tuple[float, int, Path]]:
        found = list(looked_at(folder))
        assert cache.find(uris[0], None) is not None  # another process is told this path, and opens it next
        return found

    monkeypatch.setattr(read_cache, "_copies", meanwhile)
    assert ReadCache(tmp_path, limit=100).sweep() == 2
    assert [(tmp_path / uri).exists() for uri in uris] == [True, False, False]
