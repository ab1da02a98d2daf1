from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.errors import ConfigError
from mlxkit.secrets.index import Entry, Index


def test_an_absent_index_is_empty_and_reading_makes_nothing() -> None:
    index = Index()
    assert index.read() == {}
    assert not index.path.parent.exists()


def test_entries_come_back_with_a_new_revision_for_every_write() -> None:
    index = Index()
    revisions = set()
    for _ in range(3):
        with index.editing() as draft:
            draft.put("s", Entry(("a", "b"), "keyring"))
        entry = index.find("s")
        assert entry
        assert (entry.keys, entry.store, entry.pending) == (("a", "b"), "keyring", "")
        revisions.add(entry.revision)
    assert len(revisions) == 3


def test_it_is_private_and_holds_names_only() -> None:
    before = os.umask(0)
    try:
        with Index().editing() as draft:
            draft.put("s", Entry(("password",), "keyring"))
    finally:
        os.umask(before)
    path = Index().path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    (entry,) = json.loads(path.read_bytes())["secrets"].values()
    assert set(entry) == {"keys", "store", "revision"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"version": 1}',
        b'{"version": 1, "secrets": []}',
        b'{"version": 1, "secrets": {"a": 3}}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_a_broken_index_is_an_error_with_a_way_out_and_stays_as_it_is(content: bytes) -> None:
    path = Index().path
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        Index().read()
    assert str(path) in raised.value.message
    assert raised.value.hint
    assert "mlx secret where NAME" in raised.value.hint
    with pytest.raises(ConfigError), Index().editing() as draft:
        draft.put("s", Entry(("k",), "keyring"))
    assert path.read_bytes() == content


def test_an_index_of_a_later_mlx_is_refused() -> None:
    path = Index().path
    path.parent.mkdir(parents=True)
    path.write_text('{"version": 2, "secrets": {}}')
    with pytest.raises(ConfigError, match="version 2"):
        Index().read()


def test_what_killed_writers_left_is_removed_by_the_next_one() -> None:
    path = Index().path
    path.parent.mkdir(parents=True)
    orphan = path.with_name(f".{path.name}.abc.tmp")
    orphan.write_text("half")
    with Index().editing() as draft:
        draft.put("s", Entry(("k",), "keyring"))
    assert not orphan.exists()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_not_a_file_is_refused_without_waiting_for_it(make: Callable[[Path], None]) -> None:
    path = Index().path
    path.parent.mkdir(parents=True)
    make(path)
    with pytest.raises(ConfigError, match=r"secrets\.json is a (named pipe|folder), not a file"):
        Index().read()
