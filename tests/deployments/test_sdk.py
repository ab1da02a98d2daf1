"""Deployments from Python and from a pipeline: what is asked for is what is served, however often it is asked."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlxkit.artifacts.plain import NotPlainError
from mlxkit.deployments.sdk import MLFlowDeploymentConfig, MLFlowModelDeployer, ModelServer
from mlxkit.errors import AlreadyExistsError, CredentialsError, UsageError
from tests.deployments.zoo import Zoo


@dataclass(frozen=True)
class Registered:
    """What a registering step returns, as far as deploying goes."""

    name: str
    version: int | str


def test_the_second_deploy_of_a_newer_model_serves_the_newer_model(zoo: Zoo) -> None:
    deployer = MLFlowModelDeployer(zoo.project)
    config = MLFlowDeploymentConfig(workers=1, timeout=60)
    first = deployer.deploy_model(name="d", model=Registered("zoo", 1), config=config)
    assert first.predict([[0, 0]]) == [1.0]
    pid = first.status.pid

    same = deployer.deploy_model(name="d", model=Registered("zoo", "1"), config=config)
    assert (same, same.status.pid) == (first, pid)

    second = deployer.deploy_model(name="d", model=zoo.registry.version("zoo", 2), config=config)
    assert (second.is_running, second.model_name, second.model_version) == (True, "zoo", 2)
    assert second.predict([[0, 0]]) == [2.0]
    assert second.prediction_url == first.prediction_url

    second.stop()
    assert (second.is_running, second.prediction_url) == (False, None)
    assert deployer.deploy_model(name="d", model="zoo:1").predict([[0, 0]]) == [1.0], (
        "stopped, and another version"
    )
    first.stop()
    assert deployer.deploy_model(name="d", model="zoo:1").is_running, "stopped, and the same version"

    with pytest.raises(AlreadyExistsError, match="serves zoo:1"):
        deployer.deploy_model(name="d", model="zoo:2", replace=False)
    with pytest.raises(AlreadyExistsError, match="another token"):
        deployer.deploy_model(name="d", model="zoo:1", config=MLFlowDeploymentConfig(token="<<s.k>>"))
    assert first.predict([[0, 0]]) == [1.0]

    assert deployer.find_model_server() == [first]
    assert deployer.find_model_server(name="d", model_name="zoo", model_version="1", running=True) == [first]
    assert deployer.find_model_server(running=False) == []
    assert deployer.find_model_server(model_version=2) == []
    assert deployer.find_model_server(pipeline_name="p") == []


def test_the_config_says_what_the_call_does_not(zoo: Zoo) -> None:
    deployer = MLFlowModelDeployer(zoo.project)
    config = MLFlowDeploymentConfig(name="c", model_name="zoo", model_version=2, max_body=1234)
    made = deployer.deploy_model(config=config, timeout=0)
    found = made.status
    assert (made.name, found.reference, found.max_body, found.state) == ("c", "zoo:2", 1234, "starting")


@pytest.mark.parametrize("model", [None, object(), {"weights": 1}, Registered("", "")])
def test_what_is_no_registered_model_is_refused_with_what_would_be(zoo: Zoo, model: Any) -> None:
    with pytest.raises(UsageError):
        MLFlowModelDeployer(zoo.project).deploy_model(name="d", model=model)
    assert zoo.service.store.names() == []


def test_an_unknown_field_of_the_config_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="wokers"):
        MLFlowDeploymentConfig(wokers=2)  # type: ignore[call-arg]


def test_a_token_is_asked_for_before_anything_starts(zoo: Zoo) -> None:
    with pytest.raises(CredentialsError):
        MLFlowModelDeployer(zoo.project).deploy_model(
            name="d", model="zoo:1", config=MLFlowDeploymentConfig(token="<<serving.token>>")
        )
    assert not (zoo.deployments / "d").exists()


def test_predictions_come_back_as_what_was_sent(served: Zoo) -> None:
    import numpy as np
    import pandas as pd
    import polars as pl

    server = ModelServer("shared", str(served.project.config_path))
    assert server.predict([[1, 2]]) == [5.0]
    assert server.predict([{"a": 1, "b": 2}]) == [5.0]
    assert server.predict({"a": 1, "b": 2}) == [5.0]
    assert server.predict({"inputs": {"a": [1.0], "b": [2.0]}}) == [5.0]
    assert server.predict({"a": [1.0, 3.0], "b": [2.0, 4.0]}) == [5.0, 9.0]
    assert server.predict(b"[[1, 2]]") == [5.0]
    table = pd.DataFrame(
        {"b": [2.0, float("nan")], "a": [0.1 + 0.2, 3]}, index=pd.date_range("2026", periods=2)
    )
    for data, expected in (
        (np.array([[1, 2], [3, 4]]), [5.0, 9.0]),
        ({"a": np.array([1.0]), "b": np.array([2.0])}, [5.0]),
        (pl.DataFrame({"a": [1.0], "b": [2.0]}), [5.0]),
        (table, [0.1 + 0.2 + 2.0 + 2, float("nan")]),
    ):
        found = server.predict(data)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, expected, rtol=1e-15)
    tensor = ModelServer("tensor", str(served.project.config_path))
    np.testing.assert_array_equal(tensor.predict(np.array([[1, 2, 3]], dtype=np.float32)), [11.0])


def test_what_has_no_json_is_refused_before_it_is_sent(served: Zoo) -> None:
    with pytest.raises(UsageError, match="a set cannot be sent"):
        ModelServer("shared", str(served.project.config_path)).predict({1, 2})


def test_a_server_is_stored_as_json() -> None:
    from mlxkit.artifacts.plain import Encoder

    server = ModelServer("d", "/project/mlx.yaml")
    try:
        encoded = Encoder().encode(server)
    except NotPlainError:
        pytest.fail("a step that returns a server would pickle it")
    assert "/project/mlx.yaml" in str(encoded)


def test_a_pipeline_deploys_what_its_step_registered_and_finds_it_again(zoo: Zoo) -> None:
    import subprocess
    import sys

    Path("deploying.py").write_text(
        textwrap.dedent(
            """
            from dataclasses import dataclass
            from mlxkit import pipeline, step
            from mlxkit.deployments.sdk import MLFlowDeploymentConfig, MLFlowModelDeployer, ModelServer

            @dataclass(frozen=True)
            class Version:
                name: str
                version: int

            @step
            def register() -> Version:
                return Version("zoo", 2)

            @step(enable_cache=False)
            def deploy(version: Version) -> ModelServer:
                return MLFlowModelDeployer().deploy_model(name="inside", model=version)

            @step(enable_cache=False)
            def ask(server: ModelServer) -> float:
                return server.predict([[1, 2]])[0]

            @pipeline
            def serving():
                version = register()
                MLFlowModelDeployer().deploy_model(
                    name="body", model=version, config=MLFlowDeploymentConfig(timeout=50)
                )
                print("ANSWER", ask(deploy(version)))
                found = MLFlowModelDeployer.get_active_model_deployer().find_model_server(
                    pipeline_name="serving", pipeline_step_name="deploy"
                )
                print("FOUND", [server.name for server in found])
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-m", "mlxkit", "run", "deploying.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "ANSWER 5.0" in done.stdout + done.stderr
    assert "FOUND ['inside']" in done.stdout + done.stderr
    body, inside = zoo.service.list()
    assert (body.name, body.pipeline, body.step, body.state) == ("body", "serving", "", "running")
    assert (inside.name, inside.pipeline, inside.step) == ("inside", "serving", "deploy")
    assert body.run == inside.run != ""
