"""Stores on a real server of the S3 protocol, each machine with a folder of copies of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxkit.integrations.fsspec.artifact_store import FsspecArtifactStore
from mlxkit.stacks.resolve import ResolvedComponent
from tests.fixtures.s3_server import KEY, SECRET, Proxy, S3Server, before

Machines = Callable[..., FsspecArtifactStore]


@pytest.fixture
def bucket(s3_server: S3Server) -> str:
    """A bucket of this test's own."""
    return s3_server.bucket()


@pytest.fixture
def machine(s3_server: S3Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """Make the store as another machine has it: `machine("b")`, through a proxy: `machine("b", url=proxy.url)`."""

    def make(name: str = "a", **attributes: Any) -> FsspecArtifactStore:
        monkeypatch.setenv("MLX_HOME", str(tmp_path / name))
        given = {"path": f"s3://{bucket}/mlx", "key": KEY, "secret": SECRET, "endpoint_url": s3_server.url}
        given |= {"endpoint_url" if key == "url" else key: value for key, value in attributes.items()}
        return FsspecArtifactStore(
            ResolvedComponent("artifact_store", "lake", "s3", given), tmp_path / name / ".mlx"
        )

    return make


@pytest.fixture
def store(machine: Machines) -> FsspecArtifactStore:
    return machine()


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[Proxy]:
    with before(s3_server.url) as found:
        yield found
