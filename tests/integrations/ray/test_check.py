"""What `mlx orchestrator test` says of a cluster."""

from __future__ import annotations

import json
import platform
from typing import Any

import pytest

from mlxkit import __version__
from mlxkit.errors import ExitCode
from mlxkit.integrations.ray import probe
from tests.fixtures.ray_cluster import RayCluster


def test_a_cluster_is_described_and_one_of_another_version_refused(
    ray_cluster: RayCluster, mlx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = mlx(
        "orchestrator", "register", "cluster", "--flavor=ray", f"--address={ray_cluster.address}"
    )
    assert registered.code == ExitCode.ok, registered.stderr
    result = mlx("orchestrator", "test", "cluster", "-o", "json")
    assert result.code == ExitCode.ok, result.stderr
    found = json.loads(result.stdout)
    assert found["nodes"] == 2 and found["resources"]["CPU"] == 4
    assert (found["python"], found["mlxkit"]) == (platform.python_version(), __version__)
    assert (found["authentication"], found["encryption"], found["warnings"]) == ("none", "none", [])
    assert "orchestrator 'cluster' answers" in result.stderr

    ours = probe.our_versions()
    monkeypatch.setattr(probe, "our_versions", lambda: ("2.9.1", ours[1]))
    refused = mlx("orchestrator", "test", "cluster")
    assert refused.code == ExitCode.configuration
    assert f"the cluster has Ray {ours[0]} on Python {ours[1]}, here are Ray 2.9.1" in refused.stderr


def test_the_other_port_is_named(ray_cluster: RayCluster, mlx: Any) -> None:
    mlx(
        "orchestrator",
        "register",
        "a",
        "--flavor=ray",
        f"--address={ray_cluster.client.removeprefix('ray://')}",
    )
    mlx("orchestrator", "register", "b", "--flavor=ray", f"--address=ray://{ray_cluster.address}")
    for name, words in (("a", "is the port of Ray Client"), ("b", "is the port of the cluster itself")):
        result = mlx("orchestrator", "test", name)
        assert result.code == ExitCode.configuration and words in result.stderr, result.stderr
