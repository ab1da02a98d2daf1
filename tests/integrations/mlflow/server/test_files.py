"""What is written for Docker and Kubernetes: read again, strictly, and by the programs themselves where they are."""

from __future__ import annotations

import base64
import copy
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlxkit.config.yamltext import load_yaml
from mlxkit.errors import CredentialsError, MlxError, UsageError
from mlxkit.integrations.mlflow.server import compose, files, kubernetes
from mlxkit.integrations.mlflow.server.checking import problems
from mlxkit.integrations.mlflow.server.compose import compose_project
from mlxkit.integrations.mlflow.server.files import check_written, serve_by_files
from mlxkit.integrations.mlflow.server.image import Served
from mlxkit.integrations.mlflow.server.kubernetes import manifests
from mlxkit.secrets.service import SecretService
from mlxkit.stacks.servers import DeployRecord, Provider

VOLUME = Served("team", "team_admin", "mlflow-team:3.17.2", "", ("team.example",))
BUCKET = Served("team", "team_admin", "mlflow-team:3.17.2", "gs://bucket/path", (), namespace="ml")
# What is named by people may be called anything, so that another key there is no mistake.
OPEN = ("labels", "environment", "data", "requests", "limits", "selector", "matchLabels", "volumes", "configs",
        "secrets", "depends_on")  # fmt: skip


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[SecretService]:
    """A secret store."""
    key = tmp_path / "key"
    key.write_text(base64.b64encode(os.urandom(32)).decode())
    key.chmod(0o600)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLX_KEYRING_KEY_FILE", str(key))
        yield SecretService()


def serve(name: str, provider: Provider, **options: str) -> DeployRecord:
    def never(question: str) -> None:
        raise AssertionError(question)

    return serve_by_files(name, provider, options, dry_run=False, confirm=never)


def maps(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every map in data."""
    if isinstance(data, dict):
        yield path
        for key, value in data.items():
            yield from maps(value, (*path, key))
    elif isinstance(data, list):
        for position, value in enumerate(data):
            yield from maps(value, (*path, position))


def dig(data: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        data = data[part]
    return data


def documents(served: Served) -> list[tuple[str, str | None, Any]]:
    found: list[tuple[str, str | None, Any]] = [("compose", None, compose_project(served))]
    return [*found, *(("kubernetes", item["kind"], item) for item in manifests(served, "[mlflow]\n"))]


@pytest.mark.parametrize("served", [VOLUME, BUCKET], ids=["volume", "bucket"])
def test_what_is_written_fits_its_schema_and_no_key_more_does(served: Served) -> None:
    tried = 0
    for schema, part, data in documents(served):
        assert problems(data, schema, part) == []
        for path in maps(data):
            if path and path[-1] in OPEN and isinstance(dig(data, path), dict):
                continue
            wrong = copy.deepcopy(json.loads(json.dumps(data)))
            dig(wrong, path)["surprise"] = "x"
            assert any("surprise" in problem for problem in problems(wrong, schema, part)), path
            tried += 1
    assert tried > 60


@pytest.mark.parametrize("served", [VOLUME, BUCKET], ids=["volume", "bucket"])
def test_no_value_of_another_type_passes(served: Served) -> None:
    for schema, part, data in documents(served):
        for path in maps(data):
            for key, value in dig(data, path).items():
                wrong = json.loads(json.dumps(data))
                dig(wrong, path)[key] = 7 if isinstance(value, (str, list, dict, bool)) else "seven"
                assert problems(wrong, schema, part), (path, key)


def test_a_service_with_secrets_of_the_environment_is_not_read_only_which_compose_refuses() -> None:
    project = compose_project(VOLUME)
    assert {"environment"} == {key for secret in project["secrets"].values() for key in secret}
    project["services"]["server"]["read_only"] = True
    assert "'read_only'" in problems(project, "compose")[0]


def test_wrong_words_and_what_is_missing_are_named() -> None:
    project = compose_project(VOLUME)
    project["services"]["server"]["restart"] = "allways"
    project["services"]["server"]["ports"] = ["0.0.0.0:5000:5000"]
    del project["services"]["database"]["healthcheck"]
    project["services"]["database"]["helthcheck"] = {}
    told = "\n".join(problems(project, "compose"))
    for words in (
        "'allways' is none of no",
        "0.0.0.0:5000",
        "healthcheck is missing",
        "did you mean 'healthcheck'?",
    ):
        assert words in told
    assert "not described" in problems({}, "kubernetes", "DaemonSet")[0]
    server = manifests(VOLUME, "")[-2]
    server["spec"]["template"]["spec"]["containers"][0]["env"][0]["valueFrom"] = {
        "secretKeyRef": {"name": "a", "key": "b"}
    }
    assert "exactly one of value, valueFrom" in problems(server, "kubernetes", "Deployment")[0]


@pytest.mark.parametrize(
    ("provider", "module", "function"),
    [("docker", compose, "_server"), ("kubernetes", kubernetes, "_server_service")],
)
def test_a_fault_in_a_template_is_found_and_nothing_is_written(
    provider: Provider, module: Any, function: str, vault: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(module, function)
    monkeypatch.setattr(module, function, lambda served: {**real(served), "restrat": "always"})
    with pytest.raises(MlxError, match="restrat"):
        serve("team", provider)
    assert not Path("mlflow-team").exists()
    assert vault.names() == []


def test_a_text_that_is_damaged_is_refused() -> None:
    with pytest.raises(MlxError):
        check_written("compose.yaml", "services: [")
    with pytest.raises(MlxError, match="None is not described"):
        check_written("mlflow.yaml", "a: b\n")


def test_secrets_are_in_the_store_and_only_named_in_the_files(vault: SecretService) -> None:
    for provider in ("docker", "kubernetes"):
        record = serve("team", provider)  # type: ignore[arg-type]
        values = vault.reveal("team_admin")
        assert set(values) == {"username", "password", "secret_key", "database_password"}
        assert len(values["password"]) >= 20
        for file in record.files:
            assert stat.S_IMODE(Path(file).stat().st_mode) == 0o644
            text = Path(file).read_text()
            assert not [value for key, value in values.items() if key != "username" and value in text]
        assert not [value for value in values.values() if value != "admin" and value in str(record.to_dict())]


def test_versions_are_pinned_and_nothing_is_open_to_others(vault: SecretService) -> None:
    serve("team", "docker", port="5055", artifacts="s3://bucket")
    project = load_yaml(Path("mlflow-team/compose.yaml").read_text(), what="it")
    assert project["services"]["server"]["ports"] == ["127.0.0.1:5055:5000"]
    assert "artifacts" not in project["volumes"]
    assert "--artifacts-destination s3://bucket" in project["services"]["server"]["command"][0]
    for line in Path("mlflow-team/Dockerfile").read_text().splitlines():
        if line.startswith("FROM"):
            assert line.count(":") == 1
            assert "latest" not in line
    dockerfile = Path("mlflow-team/Dockerfile").read_text()
    assert "'mlflow[auth]==3." in dockerfile
    assert "boto3" in dockerfile


def test_files_are_the_same_again_and_others_are_only_replaced_when_asked(vault: SecretService) -> None:
    serve("team", "docker")
    password = vault.value("team_admin", "password")
    record = serve("team", "docker")  # no question, nothing differs
    assert "was there already" in record.notes[0]
    Path("mlflow-team/compose.yaml").write_text("mine: true\n")
    asked: list[str] = []

    def no(question: str) -> None:
        asked.append(question)
        raise MlxError("nothing was changed")

    with pytest.raises(MlxError, match="nothing was changed"):
        serve_by_files("team", "docker", {}, dry_run=False, confirm=no)
    assert asked == ["replace compose.yaml in mlflow-team?"]
    assert Path("mlflow-team/compose.yaml").read_text() == "mine: true\n"
    serve_by_files("team", "docker", {}, dry_run=False, confirm=asked.append)
    assert "services" in Path("mlflow-team/compose.yaml").read_text()
    assert vault.value("team_admin", "password") == password


def test_a_disk_that_is_full_leaves_what_was_there(
    vault: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path("mlflow-team")
    folder.mkdir()
    (folder / "compose.yaml").write_text("mine: true\n")
    real = files.write_atomic

    def full(path: Path, data: bytes, **mode: int) -> None:
        if path.name == "auth.ini":
            raise MlxError("no space left")
        real(path, data, **mode)

    monkeypatch.setattr(files, "write_atomic", full)
    with pytest.raises(MlxError, match="no space left") as raised:
        serve_by_files("team", "docker", {}, dry_run=False, confirm=lambda question: None)
    assert "what remains" not in raised.value.message
    assert [path.name for path in folder.iterdir()] == ["compose.yaml"]
    assert (folder / "compose.yaml").read_text() == "mine: true\n"
    assert vault.names() == []


def test_a_secret_of_that_name_without_the_keys_is_not_taken(vault: SecretService) -> None:
    vault.create("team_admin", {"password": "somebody's"})
    with pytest.raises(CredentialsError, match="has no username, secret_key, database_password"):
        serve("team", "docker")
    assert not Path("mlflow-team").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"artifacts": "/data"}, "not one of the container"),
        ({"artifacts": "ftp://x"}, "no store for ftp://"),
        ({"namespace": "Team A"}, "small letters"),
        ({"image": "a b"}, "NAME:TAG"),
    ],
)
def test_options_that_make_no_sense_there_are_refused(
    options: dict[str, str], words: str, vault: SecretService
) -> None:
    with pytest.raises(UsageError, match=words):
        serve("team", "kubernetes", **options)


def test_docker_takes_the_project(vault: SecretService) -> None:
    asked = (
        subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        if shutil.which("docker")
        else None
    )
    if asked is None or asked.returncode:
        pytest.skip("there is no `docker compose` on this machine")
    serve("team", "docker")
    done = subprocess.run(
        ["docker", "compose", "-f", "mlflow-team/compose.yaml", "config", "-q"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


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
