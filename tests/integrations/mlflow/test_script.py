"""A plain script is one step that names its own runs and experiments."""

from __future__ import annotations

from typing import Any

import mlflow
import pytest

from mlxkit.stacks.protocols import StepFacts

from .conftest import Setting


class TestScript:
    """A plain script is one step that names its own runs and experiments."""

    def facts(self, setting: Setting, name: str) -> Any:
        return setting.open(name, kind="script")

    def test_its_first_start_run_is_ours_under_its_own_name_and_further_ones_hang_under_it(
        self, setting: Setting, pipeline_name: str
    ) -> None:
        run = self.facts(setting, pipeline_name)
        with run.step(StepFacts(pipeline_name, "s1")):
            with mlflow.start_run(run_name="baseline"):
                mlflow.log_metric("m", 1)
            with mlflow.start_run(run_name="better"):
                mlflow.log_metric("m", 2)
        run.finish("completed")
        first, second = setting.reader.runs(pipeline_name)
        assert [found["info"]["run_name"] for found in (first, second)] == ["baseline", "better"]
        assert [found["tags"]["mlx.run_id"] for found in (first, second)] == ["r1", "r1"]
        assert [found["metrics"]["m"] for found in (first, second)] == [1, 2]
        assert [found["info"]["status"] for found in (first, second)] == ["FINISHED", "FINISHED"]

    def test_it_chooses_its_experiment(self, local: Setting, pipeline_name: str) -> None:
        run = self.facts(local, pipeline_name)
        with run.step(StepFacts(pipeline_name, "s1")) as step:
            mlflow.set_experiment("iris")
            with mlflow.start_run():
                mlflow.log_metric("m", 1)
        run.finish("completed")
        assert local.reader.runs(pipeline_name) == []
        [found] = local.reader.runs("iris")
        assert step.metadata()["mlflow_run_id"] == found["info"]["run_id"]
        assert found["tags"]["mlx.run_id"] == "r1"

    def test_bare_calls_are_ours(self, local: Setting, pipeline_name: str) -> None:
        run = self.facts(local, pipeline_name)
        with run.step(StepFacts(pipeline_name, "s1")):
            mlflow.log_metric("m", 1)
        run.finish("completed")
        [found] = local.reader.runs(pipeline_name)
        assert found["metrics"] == {"m": 1}

    def test_one_that_never_touches_mlflow_has_its_run_all_the_same(
        self, local: Setting, pipeline_name: str
    ) -> None:
        run = self.facts(local, pipeline_name)
        with pytest.raises(ValueError, match="script"):
            with run.step(StepFacts(pipeline_name, "s1")):
                raise ValueError("script")
        run.finish("failed")
        assert [found["info"]["status"] for found in local.reader.runs(pipeline_name)] == ["FAILED"]
