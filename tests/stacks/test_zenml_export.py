"""Stacks that ZenML exported: what is taken, what is refused, and where credentials go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import AlreadyExistsError, ConfigError, CredentialsError
from mlxkit.secrets.service import SecretService
from mlxkit.stacks.service import StackService
from mlxkit.stacks.zenml_export import translate

LOCAL = """\
stack_name: my stack
zenml_version: 0.90.0
components:
  artifact_store:
  - {name: default, flavor: local, type: artifact_store, configuration: {path: ""}}
  orchestrator:
  - {name: default, flavor: local, type: orchestrator, configuration: {}}
  experiment_tracker:
  - name: mlflow
    flavor: mlflow
    type: experiment_tracker
    configuration:
      experiment_name: null
      nested: false
      tags: {}
      tracking_uri: https://mlflow.example.com
      tracking_username: '{{mlflow_secret.username}}'
      tracking_password: '{{mlflow_secret.password}}'
      tracking_insecure_tls: false
  model_deployer:
  - {name: serving, flavor: mlflow, type: model_deployer, configuration: {service_path: /x/local_stores/1}}
"""
PLAIN = LOCAL.replace("'{{mlflow_secret.username}}'", "ada").replace(
    "'{{mlflow_secret.password}}'", "hunter22"
)
MORE = """\
  image_builder:
  - {name: default, flavor: local, type: image_builder, configuration: {}}
  container_registry:
  - {name: hub, flavor: dockerhub, type: container_registry, configuration: {}}
"""


@pytest.fixture(autouse=True)
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets go into an encrypted file."""
    (tmp_path / "password").write_text("a password for the encrypted file")
    (tmp_path / "password").chmod(0o600)
    monkeypatch.setenv("MLX_KEYRING_PASSWORD_FILE", str(tmp_path / "password"))


@pytest.fixture
def project(mlx: Callable[..., Any]) -> Path:
    assert mlx("init").code == 0
    return Path.cwd()


def test_components_and_references_are_taken_over(project: Path) -> None:
    imported = StackService().import_from_zenml(LOCAL.encode(), "stack.yaml")
    assert imported.stacks == ("my-stack",)
    detail = StackService().describe("my-stack")
    tracker = detail.components["experiment_tracker"]
    assert (tracker.name, tracker.flavor) == ("mlflow", "mlflow")
    assert tracker.attributes == {
        "tracking_uri": "https://mlflow.example.com",
        "tracking_username": "<<mlflow_secret.username>>",
        "tracking_password": "<<mlflow_secret.password>>",
    }
    assert detail.components["artifact_store"].name == "default"
    assert detail.components["model_deployer"].attributes == {}
    said = "\n".join(imported.warnings)
    assert "'my stack' is called 'my-stack' here" in said
    assert "service_path is ZenML's own folder" in said
    assert "no secret named 'mlflow_secret' yet" in said


def test_credentials_in_plain_text_are_refused_without_being_shown(project: Path) -> None:
    before = Path("mlx.yaml").read_text()
    with pytest.raises(CredentialsError) as caught:
        StackService().import_from_zenml(PLAIN.encode(), "stack.yaml")
    assert "tracking_username of experiment_tracker 'mlflow', tracking_password of" in caught.value.message
    assert "hunter22" not in caught.value.message + str(caught.value.hint)
    assert "--secrets-into" in str(caught.value.hint)
    assert Path("mlx.yaml").read_text() == before


def test_credentials_go_into_a_secret_that_is_named(project: Path) -> None:
    imported = StackService().import_from_zenml(PLAIN.encode(), "stack.yaml", secrets_into="team")
    assert SecretService().reveal("team") == {"username": "ada", "password": "hunter22"}
    text = Path("mlx.yaml").read_text()
    assert "<<team.password>>" in text
    assert "hunter22" not in text
    assert not [line for line in imported.warnings if "hunter22" in line]
    assert StackService().validate("my-stack").problems == ()


def test_a_credential_inside_an_address_goes_there_too(project: Path) -> None:
    text = PLAIN.replace("https://mlflow.example.com", "postgresql://ada:hunter22@db.example.com/mlflow")
    text = "\n".join(line for line in text.splitlines() if "username" not in line and "password" not in line)
    StackService().import_from_zenml(text.encode(), "stack.yaml", secrets_into="team")
    assert SecretService().reveal("team") == {"uri": "postgresql://ada:hunter22@db.example.com/mlflow"}
    assert "hunter22" not in Path("mlx.yaml").read_text()


def test_an_import_that_fails_leaves_no_secret_behind(project: Path) -> None:
    StackService().import_from_zenml(LOCAL.encode(), "stack.yaml")
    with pytest.raises(AlreadyExistsError):
        StackService().import_from_zenml(PLAIN.encode(), "stack.yaml", secrets_into="team")
    assert "team" not in SecretService().names()


def test_a_secret_that_is_there_is_not_written_over(project: Path) -> None:
    SecretService().create("team", {"username": "grace"})
    before = Path("mlx.yaml").read_text()
    with pytest.raises(AlreadyExistsError):
        StackService().import_from_zenml(PLAIN.encode(), "stack.yaml", secrets_into="team")
    assert SecretService().reveal("team") == {"username": "grace"}
    assert Path("mlx.yaml").read_text() == before


def test_what_has_no_counterpart_is_named_all_at_once_or_left_out(project: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        translate((LOCAL + MORE).encode(), "stack.yaml")
    assert "image_builder 'default' (local): stacks have no image builder here" in caught.value.message
    assert "container_registry 'hub' (dockerhub)" in caught.value.message
    found = translate((LOCAL + MORE).encode(), "stack.yaml", skip_unsupported=True)
    assert [note for note in found.notes if note.startswith("left out: container_registry 'hub'")]
    assert "dockerhub" not in found.text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "flavor: mlflow\n    type: exp",
            "flavor: wandb\n    type: exp",
            "unknown experiment tracker flavor 'wandb'",
        ),
        ("nested: false", "bogus: 3", "has no attribute 'bogus'"),
        (
            "{name: default, flavor: local, type: orchestrator",
            "{name: k, flavor: kubeflow, type: o",
            "'kubeflow'",
        ),
    ],
)
def test_other_flavors_and_attributes_are_refused_by_name(old: str, new: str, said: str) -> None:
    assert old in LOCAL
    with pytest.raises(ConfigError) as caught:
        translate(LOCAL.replace(old, new).encode(), "stack.yaml")
    assert said in caught.value.message


def test_a_second_tracker_does_not_vanish(project: Path) -> None:
    second = "  experiment_tracker:\n  - {name: other, flavor: mlflow, type: experiment_tracker, configuration: {}}\n"
    with pytest.raises(ConfigError, match="a stack has one experiment tracker here, 'other'"):
        translate(LOCAL.replace("  experiment_tracker:\n", second).encode(), "stack.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nstacks: {a: {}}\n", "is a stack that mlx exported"),
        ("just text", "is no stack that ZenML exported"),
        ("stack_name: a\ncomponents: {orchestrator: [3]}\n", "a component has a name"),
        ("stack_name: [", "stack.yaml:"),
    ],
)
def test_other_files_are_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        translate(text.encode(), "stack.yaml")
    assert said in caught.value.message


def test_the_command_imports_and_sets_it(project: Path, mlx: Callable[..., Any]) -> None:
    Path("stack.yaml").write_text(PLAIN + MORE)
    refused = mlx("stack", "import", "--from", "zenml", "stack.yaml")
    assert refused.code == 4
    assert "--skip-unsupported" in refused.stderr
    done = mlx(
        "stack", "import", "--from", "zenml", "stack.yaml", "--skip-unsupported", "--secrets-into", "team",
        "--name", "team", "--set",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    assert "hunter22" not in done.stdout + done.stderr
    assert mlx("stack", "get").stdout.strip() == "team"


def test_its_options_are_for_zenml(project: Path, mlx: Callable[..., Any]) -> None:
    Path("stack.yaml").write_text("version: 1\nstacks: {a: {}}\n")
    assert mlx("stack", "import", "stack.yaml", "--skip-unsupported").code == 2


def test_an_attribute_that_is_left_out_is_told_of_the_component_that_is_taken() -> None:
    text = (
        b"stack_name: s\ncomponents:\n  experiment_tracker:\n    name: mlf\n    flavor: mlflow\n    type: experiment_tracker\n"
        b"    configuration: {experiment_name: e, bogus_attr: 1, other: 2}\n"
    )
    with pytest.raises(ConfigError) as caught:
        translate(text, "stack.yaml")
    assert "experiment_tracker 'mlf': flavor 'mlflow' has no attribute 'bogus_attr'" in caught.value.message
    found = translate(text, "stack.yaml", skip_unsupported=True)
    assert found.notes == ("left out of experiment_tracker 'mlf': bogus_attr, other",)
    assert "experiment_name: e" in found.text
