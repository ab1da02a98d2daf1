from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlxkit import Client, client, pipeline, step
from mlxkit.errors import NotFoundError

pytestmark = pytest.mark.usefixtures("home")


@step
def value(x: int = 3) -> int:
    return x


@pipeline
def small(x: int = 3) -> None:
    value(x)


def test_the_implicit_stack_has_a_component_of_every_kind() -> None:
    stack = Client().active_stack
    assert (stack.name, stack.source) == ("default", "implicit")
    for component in (
        stack.experiment_tracker,
        stack.artifact_store,
        stack.orchestrator,
        stack.model_registry,
        stack.model_deployer,
    ):
        assert component is not None
        assert component.name == "default"


def test_a_kind_that_a_stack_lacks_is_none(mlx: Any) -> None:
    mlx("init")
    assert mlx("stack", "register", "bare", "--set").code == 0
    stack = Client().active_stack
    assert stack.name == "bare"
    assert stack.experiment_tracker is None
    assert stack.artifact_store is not None


def test_a_run_is_found_by_pipeline_by_id_and_by_name() -> None:
    run = small(x=5)
    assert Client().get_pipeline("small").last_run.id == run.id
    assert Client().get_pipeline_run(run.name).get_step("value").output.load() == 5
    assert Client().get_run().status == "completed"
    assert [item.id for item in Client().get_pipeline("small").runs] == [run.id]
    with pytest.raises(NotFoundError, match=r"no pipeline 'smal' has run \(did you mean 'small'\?\)"):
        Client().get_pipeline("smal")
    with pytest.raises(NotFoundError, match=r"has no step 'valeu' \(did you mean 'value'"):
        run.get_step("valeu")


def test_an_artifact_is_found_by_every_form_of_its_name_and_by_digest() -> None:
    run = small()
    digest = run.steps["value"].output.digest
    for name in ("small::value::output", "value::output", "output", digest, digest[:8]):
        assert Client().get_artifact(name).load() == 3
    small(x=4)
    assert Client().get_artifact("output").load() == 4
    assert Client().get_artifact("output", run=run.id).load() == 3
    with pytest.raises(NotFoundError, match="no artifact 'outptu'"):
        Client().get_artifact("outptu")


def test_the_module_gives_the_members_of_a_default_client() -> None:
    run = small()
    assert client.get_pipeline("small").last_run.id == run.id
    with pytest.raises(AttributeError, match="no attribute 'get_nothing'"):
        _ = client.get_nothing


@step
def array() -> np.ndarray:  # type: ignore[type-arg]
    return np.arange(5000)


@pipeline
def large() -> None:
    array()


def test_an_artifacts_file_is_copied_whole_or_not_at_all(mlx: Any) -> None:
    large()
    target = Path("out.npy")
    target.write_text("mine")
    result = mlx("artifact", "get", "array::output", "--path", "out.npy")
    assert (result.code, target.read_text()) == (1, "mine")
    assert "--force" in result.stderr
    assert mlx("artifact", "get", "array::output", "--path", "out.npy", "--force").code == 0
    assert np.load(target).sum() == np.arange(5000).sum()
    Path("folder").mkdir()
    result = mlx("artifact", "get", "array::output", "--path", "folder", "--force")
    assert result.code == 1
    assert "folder cannot be written" in result.stderr
    assert sorted(path.name for path in Path.cwd().iterdir() if "partial" in path.name) == []
    assert mlx("artifact", "get", "array::output", "--path", "no/such/place").code == 1


@step
def parts() -> dict[str, object]:
    return {"a": np.arange(5000)}


@pipeline
def folded() -> None:
    parts()


def test_a_folder_that_cannot_be_written_is_named(mlx: Any) -> None:
    folded()
    Path("file").touch()
    Path("taken").mkdir()
    Path("taken/files").touch()
    for path, why in (("file/below", "Not a directory"), ("taken", "[Errno 17] File exists")):
        result = mlx("artifact", "get", "parts::output", "--path", path, "--force")
        assert result.code == 1 and f"error: {path} cannot be written: {why}" in result.stderr, result.stderr
