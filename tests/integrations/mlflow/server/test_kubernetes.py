"""The objects for Kubernetes, and the commands that are printed with them, as kubectl takes them."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlxkit.secrets.service import SecretService

from .conftest import serve


@pytest.fixture
def kubectl() -> str:
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("there is no kubectl on this machine")
    return found


@pytest.mark.parametrize("artifacts", ["", "gs://bucket"])
def test_kubectl_reads_every_object_in_its_own_types(
    artifacts: str, kubectl: str, vault: SecretService
) -> None:
    serve("team", "kubernetes", **({"artifacts": artifacts} if artifacts else {}))
    for item in Path("mlflow-team/mlflow.yaml").read_text().split("---\n"):
        Path("item.yaml").write_text(item)
        done = subprocess.run(
            [kubectl, "set", "image", "--local", "-f", "item.yaml", "*=other:1", "-o", "json"],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        if "image:" in item:
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout)["spec"]["template"]["spec"]["containers"][0]["image"] == "other:1"
        else:  # read, and found to hold no pod
            assert "is not a pod" in done.stderr


def test_the_command_for_the_secret_works_as_it_is_printed(
    kubectl: str, vault: SecretService, tmp_path: Path
) -> None:
    record = serve("team", "kubernetes", namespace="ml")
    [command] = [line for line in record.next if "create secret" in line]
    shim = tmp_path / "mlx"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m mlxkit "$@"\n')
    shim.chmod(0o755)
    done = subprocess.run(
        ["sh", "-ec", f"{command} --dry-run=client -o json"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("mlflow-team-admin", "ml")
    values = vault.reveal("team_admin")
    assert {key: base64.b64decode(value).decode() for key, value in made["data"].items()} == {
        key: value for key, value in values.items() if key != "username"
    }
    assert f"name: {made['metadata']['name']}" in Path("mlflow-team/mlflow.yaml").read_text()
