"""Finding what is deployed as ZenML's deployer is asked for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlxkit.compat.serving import MLFlowModelDeployer
from mlxkit.config.paths import project_at
from mlxkit.deployments.entries import DeploymentEntry
from mlxkit.deployments.store import DeploymentStore
from mlxkit.errors import UsageError


@pytest.fixture
def deployer(home: Path) -> MLFlowModelDeployer:
    """The deployer of a project with three deployments, none of which runs."""
    Path("mlx.yaml").write_text("version: 1\n")
    project = project_at(Path("mlx.yaml").resolve())
    store = DeploymentStore(project.state_dir)
    for name, model, version in (("a", "iris", 1), ("b", "iris", 2), ("c", "wine", 1)):
        folder = store.new_folder(name)
        store.write(DeploymentEntry(name, model, version, model, folder, "files", pipeline="p", step="train"))
    return MLFlowModelDeployer(project)


@pytest.mark.parametrize(
    ("given", "asked", "names"),
    [
        ((), {}, "abc"),
        (("a",), {}, "a"),
        ((None, "iris"), {}, "ab"),
        ((None, "iris", 2), {"pipeline_name": "p"}, "b"),
        ((), {"service_name": "c"}, "c"),
        ((), {"model_name": "iris", "model_version": 0}, ""),
        ((), {"model_version": 1, "running": False}, "ac"),  # False asks for no state
        ((), {"running": True}, ""),
        ((), {"pipeline_name": "p", "pipeline_step_name": "deployer", "model_name": "model"}, "abc"),
        ((), {"service_uuid": None}, "abc"),
    ],
)
def test_deployments_are_all_of_what_is_asked_for(
    deployer: MLFlowModelDeployer, given: tuple[Any, ...], asked: dict[str, Any], names: str
) -> None:
    assert [item.name for item in deployer.find_model_server(*given, **asked)] == list(names)


@pytest.mark.parametrize(
    ("given", "asked", "said"),
    [
        ((True,), {}, r"find_model_server\(True\) is not supported by mlx: its first argument is a name"),
        (({"a": 1},), {}, "its first argument is a name"),
        (("a",), {"name": "b"}, r"find_model_server\(name=\.\.\.\) is given twice"),
        (("a",), {"service_name": "b"}, r"find_model_server\(name=\.\.\.\) is given twice"),
        ((None,) * 7, {}, "takes at most 6 arguments without a name"),
        ((), {"service_uuid": 0}, r"find_model_server\(service_uuid=\.\.\.\) is not supported"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    deployer: MLFlowModelDeployer, given: tuple[Any, ...], asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        deployer.find_model_server(*given, **asked)
