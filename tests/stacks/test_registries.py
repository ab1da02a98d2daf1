"""Which registry and deployer a stack has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mlxkit.config.paths import find_project
from mlxkit.errors import ConfigError, NotFoundError
from mlxkit.stacks.deployers import open_deployer
from mlxkit.stacks.registries import open_registry
from tests.conftest import Result

Mlx = Callable[..., Result]


def test_a_stack_that_names_none_uses_that_of_its_tracker(home: Path, mlx: Mlx) -> None:
    assert mlx("init").code == 0
    assert mlx("tracker", "register", "mine", "--flavor=mlflow").code == 0
    assert mlx("stack", "register", "s", "-e", "mine", "--set").code == 0
    assert open_registry(find_project()).models() == []
    assert type(open_deployer(find_project())).__name__ == "MlflowDeployer"
    assert mlx("model", "list", "-o", "json").stdout == "[]\n"
    assert not Path(".mlx/mlflow/mlflow.db").exists()  # looking makes no database


def test_a_stack_without_a_tracker_has_no_registry_and_says_why(home: Path, mlx: Mlx) -> None:
    assert mlx("init").code == 0
    assert mlx("stack", "register", "bare", "-o", "local", "--set").code == 0
    with pytest.raises(ConfigError, match=r"mlx\.yaml:\d+: stacks\.bare: .*the stack has none"):
        open_registry(find_project())
    refused = mlx("model", "list")
    assert refused.code == 4 and "mlx stack update bare -e TRACKER" in refused.stderr
    assert open_registry(find_project(), tracker="local").models() == []  # named for the occasion


def test_a_registry_in_a_stack_without_an_mlflow_tracker_is_refused(home: Path, mlx: Mlx) -> None:
    assert mlx("init").code == 0
    assert mlx("registry", "register", "team", "--flavor=mlflow").code == 0
    mlx("stack", "register", "bad", "-r", "team")
    refused = (
        mlx("model", "list") if mlx("stack", "set", "bad").code == 0 else mlx("stack", "validate", "bad")
    )
    assert refused.code == 4 and "works through an MLflow tracker, and the stack has none" in refused.stderr


def test_a_stack_that_is_not_there_is_said_to_be_missing(home: Path, mlx: Mlx) -> None:
    assert mlx("init").code == 0
    with pytest.raises(NotFoundError, match="no stack named 'gone'"):
        open_registry(find_project(), "gone")
