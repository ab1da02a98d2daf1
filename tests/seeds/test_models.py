"""The blog's pipeline from training to serving: on a laptop, and from a server with another HOME than the one that trained."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.mlflow_server import MlflowServer

from . import samples

pytestmark = pytest.mark.integration
DEPLOYMENT = "my-awesome-model-deployment"


class Person:
    """Somebody with a HOME and a checkout, who types commands."""

    def __init__(self, base: Path, **environment: str) -> None:
        self.work = base / "work"
        self.work.mkdir(parents=True, exist_ok=True)
        self._environment = {**os.environ, "HOME": str(base), **environment}

    def mlx(self, *argv: str, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "mlxkit", *argv],
            cwd=self.work, env=self._environment, capture_output=True, text=True, check=False, timeout=180,
        )  # fmt: skip
        assert done.returncode == code, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *argv: str) -> Any:
        return json.loads(self.mlx(*argv, "-o", "json"))

    def run_sample(self, slope: float) -> None:
        (self.work / "sample.py").write_text(samples.BLOG_DEPLOY.replace("SLOPE", str(slope)))
        self.mlx("run", "sample.py")

    def leave(self) -> None:
        for found in self.json("deployment", "list"):
            self.mlx("deployment", "delete", found["name"], "--yes")


@pytest.fixture
def person(home: Path) -> Iterator[Person]:
    one = Person(home)
    yield one
    one.leave()


@pytest.fixture
def colleague(tmp_path: Path) -> Iterator[Person]:
    one = Person(tmp_path / "colleague")
    yield one
    one.leave()


def test_the_blogs_pipeline_registers_and_serves_and_does_it_again(person: Person) -> None:
    person.mlx("init")
    person.run_sample(slope=2.0)
    (version,) = person.json("model", "versions", "my-awesome-model")
    assert (version["version"], version["version_tag"], version["step"]) == (
        1,
        "1.0.0",
        "train_and_log_model",
    )
    served = person.json("deployment", "describe", DEPLOYMENT)
    assert (served["state"], served["version"]) == ("running", 1)
    assert person.json("model", "predict", DEPLOYMENT, "--data", "[[3.0]]") == [pytest.approx(6.0)]
    lineage = person.json("model", "lineage", "my-awesome-model:1.0.0")
    (run,) = person.json("runs", "list")
    assert lineage["run"]["name"] == run["name"] and lineage["run"]["pipeline"] == run["pipeline"]
    assert [item["name"] for item in lineage["deployments"]] == [DEPLOYMENT]
    assert run["name"] in person.mlx("model", "lineage", "my-awesome-model:1")

    # Again: training comes from the cache, so it is the same model, the same version and the same server.
    person.mlx("run", "sample.py")
    assert person.json("runs", "describe")["steps"][0]["status"] == "cached"
    assert len(person.json("model", "versions", "my-awesome-model")) == 1
    assert person.json("deployment", "describe", DEPLOYMENT)["pid"] == served["pid"]

    # Another model takes the place of the first under the same address, and the label goes with it.
    person.run_sample(slope=5.0)
    assert [item["version"] for item in person.json("model", "versions", "my-awesome-model")] == [2, 1]
    assert person.json("model", "describe", "my-awesome-model:1.0.0")["version"] == 2
    swapped = person.json("deployment", "describe", DEPLOYMENT)
    assert (swapped["state"], swapped["version"], swapped["url"]) == ("running", 2, served["url"])
    assert person.json("model", "predict", DEPLOYMENT, "--data", "[[3.0]]") == [pytest.approx(15.0)]


def test_what_one_trained_on_a_server_another_deploys_and_traces(
    person: Person, colleague: Person, mlflow_server: MlflowServer
) -> None:
    secrets = {
        "MLX_SECRET_TEAM__USERNAME": mlflow_server.username,
        "MLX_SECRET_TEAM__PASSWORD": mlflow_server.password,
    }
    for one in (person, colleague):
        one._environment.update(secrets)
        one.mlx("init")
        one.mlx(
            "tracker", "register", "team", "--flavor=mlflow", f"--tracking_uri={mlflow_server.uri}",
            "--tracking_username=<<team.username>>", "--tracking_password=<<team.password>>",
        )  # fmt: skip
        one.mlx("stack", "register", "team", "-e", "team", "--set")
    person.run_sample(slope=4.0)
    version = person.json("model", "describe", "my-awesome-model:1.0.0")
    assert version["stack"] == "team"
    person.mlx("model", "promote", "my-awesome-model:1.0.0", "--to", "production")

    colleague.mlx("model", "deploy", "my-awesome-model@production", "--name", "theirs")
    assert colleague.json("model", "predict", "theirs", "--data", "[[2.0]]") == [pytest.approx(8.0)]
    lineage = colleague.json("model", "lineage", "my-awesome-model@production")
    (run,) = person.json("runs", "list")
    assert lineage["run"]["id"] == run["id"] and lineage["run"]["mlflow_run_id"] == version["mlflow_run_id"]
    assert [step["step"] for step in lineage["steps"]] == ["train_and_log_model"]
    assert [item["name"] for item in lineage["deployments"]] == ["theirs"]
    # The server that scores holds no credentials of the tracker.
    served = colleague.json("deployment", "describe", "theirs")
    environment = Path(f"/proc/{served['pid']}/environ")
    if environment.exists():
        assert mlflow_server.password.encode() not in environment.read_bytes()
    with urllib.request.urlopen(f"{served['url']}/ping", timeout=10) as answer:
        assert answer.status == 200
