"""The objects for Kubernetes, and the commands that are printed with them, as kubectl takes them."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mlxkit.integrations.mlflow.server.files import serve_by_files
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


def test_an_image_without_a_registry_is_loaded_and_one_with_a_registry_is_pushed(
    vault: SecretService,
) -> None:
    for image in ({}, {"image": "team:1"}):
        record = serve("team", "kubernetes", **image)
        assert not [line for line in record.next if "push" in line]
        assert record.next[0].startswith("docker build -t ")
        name = record.next[0].split()[3]
        told = "\n".join(record.notes)
        assert f"kind load docker-image {name}" in told
        assert f"minikube image load {name}" in told
        assert "-x image=HOST/NAME:TAG" in told
        Path("mlflow-team/mlflow.yaml").unlink()
    record = serve("team", "kubernetes", image="registry.example/team:1")
    assert record.next[0].endswith("mlflow-team && docker push registry.example/team:1")
    assert "kind load" not in "".join(record.notes)


def test_the_forwarded_port_is_one_that_no_server_here_has_and_stays_the_same(vault: SecretService) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        first = serve_by_files(
            "team", "kubernetes", {}, dry_run=False, confirm=lambda _: None, taken=set(range(5000, 5007))
        )
        port = int(first.url.rpartition(":")[2])
        assert port not in {*range(5000, 5007), taken}
    assert first.attributes["tracking_uri"] == f"http://127.0.0.1:{port}"
    [forward] = [line for line in first.next if "port-forward" in line]
    assert forward.endswith(f" {port}:5000")
    assert any("in another terminal" in note for note in first.notes)
    with socket.socket() as forwarding:  # as the command does while it runs
        forwarding.bind(("127.0.0.1", port))
        forwarding.listen()
        assert serve("team", "kubernetes").url == first.url
    Path("mlflow-team/mlflow.yaml").unlink()
    assert serve("team", "kubernetes", port="5999").url == "http://127.0.0.1:5999"
