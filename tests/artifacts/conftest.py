"""A real local store in a throw-away folder."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlxkit.artifacts.io import load, save
from mlxkit.artifacts.records import ArtifactRecord
from mlxkit.integrations.local.artifact_store import LocalArtifactStore


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(SimpleNamespace(name="store", attributes={}), tmp_path / ".mlx")  # type: ignore[arg-type]


@pytest.fixture
def again(store: LocalArtifactStore) -> Any:
    """Save a value and load it: returns the record and what came back, which has to be of the same type."""

    def roundtrip(value: Any, **options: Any) -> tuple[ArtifactRecord, Any]:
        record = save(value, store=store, **options)
        loaded = load(record, store)
        assert type(loaded) is type(value)
        return record, loaded

    return roundtrip


@pytest.fixture
def files_in(store: LocalArtifactStore) -> Any:
    """Every file below the store, drafts included."""
    return lambda: sorted(path for path in store.root.rglob("*") if path.is_file())
