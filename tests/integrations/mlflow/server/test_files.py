"""What is written for Docker and Kubernetes: read again, strictly, and by the programs themselves where they are."""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mlxkit.config.yamltext import load_yaml
from mlxkit.errors import AlreadyExistsError, CredentialsError, MlxError, UsageError
from mlxkit.integrations.mlflow.server import compose, files, kubernetes
from mlxkit.integrations.mlflow.server.files import check_written, serve_by_files
from mlxkit.secrets.service import SecretService
from mlxkit.stacks.servers import Provider

from .conftest import serve


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
        ({"namespace": "n" * 64}, "up to 63"),
        ({"allowed_hosts": "*"}, "every name"),
        ({"artifacts": "s3://"}, "names no bucket"),
        ({"artifacts": "s3:///path"}, "names no bucket"),
        ({"artifacts": "s3://b/x y"}, "blank"),
        ({"image": "a b"}, "NAME:TAG"),
    ],
)
def test_options_that_make_no_sense_there_are_refused(
    options: dict[str, str], words: str, vault: SecretService
) -> None:
    with pytest.raises(UsageError, match=words):
        serve("team", "kubernetes", **options)


@pytest.mark.parametrize("provider", ["docker", "kubernetes"])
def test_a_folder_that_was_written_for_another_tracker_is_refused(
    provider: Provider, vault: SecretService
) -> None:
    serve("My.Team", provider)
    before = {path.name: path.read_bytes() for path in Path("mlflow-my-team").iterdir()}
    for dry_run in (True, False):
        with pytest.raises(AlreadyExistsError, match=r"'My\.Team'"):
            serve_by_files("my-team", provider, {}, dry_run=dry_run, confirm=lambda question: None)
    assert before == {path.name: path.read_bytes() for path in Path("mlflow-my-team").iterdir()}
    assert vault.names() == ["My_Team_admin"]


@pytest.mark.parametrize("folder", ["/proc/x", "taken.txt", "taken.txt/below"])
def test_a_folder_that_cannot_be_made_is_refused_in_a_dry_run_too(folder: str, vault: SecretService) -> None:
    Path("taken.txt").write_text("a file")
    for dry_run in (True, False):
        with pytest.raises(UsageError, match="-x folder="):
            serve_by_files(
                "team", "docker", {"folder": folder}, dry_run=dry_run, confirm=lambda question: None
            )
    assert vault.names() == []


def test_the_longest_namespace_is_taken(vault: SecretService) -> None:
    serve("team", "kubernetes", namespace="n" * 63)
    assert f"namespace: {'n' * 63}" in Path("mlflow-team/mlflow.yaml").read_text()


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


def test_a_folder_that_cannot_be_made_is_not_said_to_remain(
    vault: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*_: object, **__: object) -> None:
        raise MlxError("the disk is full")

    monkeypatch.setattr(Path, "mkdir", cannot)
    with pytest.raises(MlxError) as raised:
        serve("team", "docker")
    assert raised.value.message == "the disk is full"


def test_a_signal_as_soon_as_the_secret_is_there_leaves_nothing(
    vault: SecretService, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = SecretService.create

    def made(*argv: Any, **options: Any) -> Any:
        done = real(*argv, **options)
        signal.raise_signal(signal.SIGTERM)
        return done

    monkeypatch.setattr(SecretService, "create", made)
    with pytest.raises(SystemExit):
        serve("team", "docker")
    assert vault.names() == []
    assert not Path("mlflow-team").exists()
