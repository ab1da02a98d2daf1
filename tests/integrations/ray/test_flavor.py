"""The attributes of a Ray orchestrator: what they may be, and what is said where they may not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlxkit.errors import ConfigError, ExitCode
from mlxkit.integrations.ray.cluster import Cluster, connect
from mlxkit.integrations.ray.flavor import ORCHESTRATOR, validate
from mlxkit.integrations.ray.nearby import clusters_nearby
from mlxkit.integrations.ray.probe import our_versions, refuse_other_versions
from mlxkit.integrations.ray.sending import Sender
from mlxkit.integrations.ray.settings import RaySettings, requirements, settings_of
from mlxkit.pipelines.wire import sealed
from mlxkit.secrets.value import SecretValue
from mlxkit.stacks.attributes import InvalidAttributeError, check_attributes
from mlxkit.stacks.resolve import ResolvedComponent


@pytest.mark.parametrize(
    "address", ["auto", "10.0.0.4:6379", "ray://head.example.com:10001", "[::1]:6379", "<<ray.address>>"]
)
def test_an_address_can_be(address: str) -> None:
    assert check_attributes(ORCHESTRATOR, "cluster", {"address": address}) == []


def test_variables_that_only_sound_like_secrets_can_be_set() -> None:
    validate("c", {"env_vars": {"TOKENIZERS_PARALLELISM": "false", "PAD_TOKEN": "EOS"}}, anonymous=False)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"address": "head.example.com"}, "none of auto, HOST:PORT"),
        ({"address": "local"}, "leave it out"),
        ({"address": "http://head:8265"}, "none of auto"),
        ({"ship": "everything"}, "not one of code, project"),
        ({"env_vars": {"API_TOKEN": "hunter2-hunter2"}}, "looks like a secret"),
        ({"env_vars": {"AZURE_STORAGE_ACCOUNT_KEY": "x"}}, "looks like a secret"),
        ({"env_vars": {"DATABASE": "postgresql://me:hunter2@db/x"}}, "looks like a secret"),
        ({"env_vars": {"HOST": "<<ray.host>>"}}, "looks like a secret"),
        ({"env_vars": {"A B": "x"}}, "no name of a variable"),
        ({"auth_token": "<<ray.token>>"}, "a token of its own"),
        ({"address": "auto", "cpus": 2}, "leave address out"),
        ({"cpus": 0}, "too few"),
        ({"losses": -1}, "less than 0"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_when_it_is_registered(attributes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidAttributeError, match=words):
        validate("cluster", attributes, anonymous=False)


def test_a_component_is_read(tmp_path: Path) -> None:
    component = ResolvedComponent(
        "orchestrator", "c", "ray", {"address": "ray://h.example:7", "ship": "project"}
    )
    settings = settings_of(component)
    assert (settings.endpoint, settings.is_client, settings.is_near, settings.ships_project) == (
        "h.example:7", True, False, True,
    )  # fmt: skip
    assert RaySettings("c", "ray://127.0.0.1").endpoint == "127.0.0.1:10001"
    assert RaySettings("c", "[::1]:6379").is_near and RaySettings("c").is_near


def test_requirements_are_names_or_a_file_and_hold_no_credentials(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# for steps\npolars>=1\n\nscikit-learn\n")
    assert requirements("requirements.txt", tmp_path) == ["polars>=1", "scikit-learn"]
    assert requirements("polars>=1, rich", tmp_path) == ["polars>=1", "rich"]
    with pytest.raises(ConfigError, match="cannot be read"):
        requirements("other.txt", tmp_path)
    (tmp_path / "requirements.txt").write_text("lib @ git+https://me:pw@code.example/lib.git\n")
    with pytest.raises(ConfigError, match="holds credentials"):
        requirements("requirements.txt", tmp_path)


def test_another_version_is_named_before_anything_runs() -> None:
    ray_version, python = our_versions()
    refuse_other_versions(ray_version, python.rpartition(".")[0] + ".99")  # a patch apart is all right
    with pytest.raises(ConfigError, match="Ray must be the same") as refused:
        refuse_other_versions("2.9.1", python)
    assert "ray[default,client]==2.9.1" in str(refused.value.hint)
    with pytest.raises(ConfigError, match=r"Python 3\.8\.1"):
        refuse_other_versions(ray_version, "3.8.1")


def test_nothing_that_answers_is_said_within_seconds(mlx: Any, tmp_path: Path) -> None:
    assert mlx("orchestrator", "register", "far", "--flavor=ray", "--address=127.0.0.1:1").code == ExitCode.ok
    result = mlx("orchestrator", "test", "far")
    assert result.code == ExitCode.failed
    assert "the Ray cluster at 127.0.0.1:1 does not answer" in result.stderr
    assert mlx("orchestrator", "test").code == ExitCode.usage  # the default one is this machine


def test_a_run_on_a_cluster_that_does_not_answer_is_none(mlx: Any, tmp_path: Path) -> None:
    Path("flow.py").write_text(
        "from mlxkit import pipeline, step\n@step\ndef one() -> int: return 1\n@pipeline\ndef flow(): one()\n"
    )
    assert mlx("orchestrator", "register", "far", "--flavor=ray", "--address=127.0.0.1:1").code == ExitCode.ok
    assert mlx("stack", "register", "far", "-o", "far").code == ExitCode.ok
    result = mlx("run", "flow.py", "--stack", "far")
    assert result.code == ExitCode.failed and "does not answer: Connection refused" in result.stderr
    assert mlx("runs", "list", "-o", "name").stdout == ""


@pytest.mark.parametrize("address", [[], ["--address=auto"], ["--address=127.0.0.1:1"]])
def test_a_run_without_ray_is_none_and_says_what_to_install(
    mlx: Any, monkeypatch: pytest.MonkeyPatch, address: list[str]
) -> None:
    monkeypatch.setattr("mlxkit.integrations.ray.engine.find_spec", lambda _: None)
    Path("flow.py").write_text(
        "from mlxkit import pipeline, step\n@step\ndef one() -> int: return 1\n@pipeline\ndef flow(): one()\n"
    )
    assert mlx("orchestrator", "register", "cluster", "--flavor=ray", *address).code == ExitCode.ok
    assert mlx("stack", "register", "cluster", "-o", "cluster").code == ExitCode.ok
    result = mlx("run", "flow.py", "--stack", "cluster")
    assert result.code == ExitCode.failed
    assert "flavor 'ray' needs ray" in result.stderr and "pip install 'mlxkit[ray]'" in result.stderr
    assert mlx("runs", "list", "-o", "name").stdout == ""


def test_auto_means_no_cluster_of_another_run_and_none_in_a_folder_that_is_closed(tmp_path: Path) -> None:
    from ray._private import services  # it brings a psutil of its own

    folders = {
        "10.9.9.1:1": tmp_path,
        "10.9.9.2:1": tmp_path / "mlx-ray-7-x" / "r",
        "10.9.9.3:1": tmp_path / "gone",
    }
    folders["10.9.9.2:1"].mkdir(parents=True)
    nodes = [
        subprocess.Popen(
            ["raylet", "-c", "input()", f"--gcs-address={address}", f"--temp_dir={folder}"],
            executable=sys.executable,
            stdin=subprocess.PIPE,
        )
        for address, folder in folders.items()
    ]
    try:
        assert {item for item in clusters_nearby(services.psutil) if item in folders} == {"10.9.9.1:1"}
    finally:
        for node in nodes:
            node.communicate(b"\n")


def test_a_connection_of_the_users_own_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    with pytest.raises(ConfigError, match="has one connection at a time"):
        connect(RaySettings("c"), tmp_path, "run")


@pytest.mark.parametrize(
    ("address", "head", "is_of_loopback"),
    [
        (
            "auto",
            "192.0.2.7:6379",
            False,
        ),  # `ray start --head` without more takes the machine's outer address
        ("auto", "127.0.0.1:6379", True),
        ("192.0.2.7:6379", "192.0.2.7:6379", False),
        ("ray://h.example:10001", None, False),
        ("ray://[::1]:10001", None, True),
    ],
)
def test_who_reaches_a_cluster_is_told_by_where_it_is(
    address: str, head: str | None, is_of_loopback: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    said: list[str] = []
    open_one = Cluster(ray, RaySettings("c", address), head)
    asked = Cluster(ray, RaySettings("c", address, auth_token=SecretValue("t0ken")), head)
    assert open_one.is_of_loopback is asked.is_of_loopback is is_of_loopback
    for cluster in (open_one, asked):
        Sender(cluster, "channel", said.append)
    where = head or address.removeprefix("ray://")
    warning = f"the token of orchestrator 'c' goes to {where} without TLS: who listens on the way reads it"
    assert said == ([] if is_of_loopback else [warning])
    monkeypatch.setenv("RAY_USE_TLS", "1")
    assert asked.token_in_clear == ""


def test_workers_are_not_told_how_they_are_reached() -> None:
    beside: dict[str, str] = {}
    given = {"auth_token": SecretValue("t0ken"), "address": "h:1", "workers": 2}
    sent = sealed(ResolvedComponent("orchestrator", "c", "ray", given), beside)
    assert (sent.attributes, beside) == ({"address": "h:1", "workers": 2}, {})
    sealed(ResolvedComponent("artifact_store", "s", "s3", {"secret": SecretValue("s3cret")}), beside)
    assert list(beside.values()) == ["s3cret"]
