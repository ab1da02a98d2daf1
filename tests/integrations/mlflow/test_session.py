"""What a pipeline run looks like in MLflow."""

from __future__ import annotations

import pytest

from mlxkit.stacks.protocols import StepFacts

from .conftest import Setting


def test_steps_of_a_run_share_one_mlflow_run(setting: Setting, pipeline_name: str) -> None:
    import mlflow

    run = setting.open(pipeline_name, parameters={"lr": "0.01"}, tags={"mlx.git_commit": "abc", "mlx.version": "1"})
    with run.step(StepFacts("load", "s1")):
        mlflow.log_metric("rows", 10)
    with run.step(StepFacts("fit", "s2")) as step:
        assert mlflow.active_run() is not None
        mlflow.log_param("depth", 3)
        mlflow.log_metric("accuracy", 0.95)
    run.finish("completed")
    [found] = setting.reader.runs(pipeline_name)
    assert found["info"]["status"] == "FINISHED"
    assert found["info"]["run_name"] == f"{pipeline_name}-1"
    assert found["params"] == {"lr": "0.01", "depth": "3"}
    assert found["metrics"] == {"rows": 10, "accuracy": 0.95}
    assert found["tags"]["mlx.run_id"] == "r1"
    assert found["tags"]["mlflow.source.git.commit"] == "abc"
    metadata = step.metadata()
    assert metadata["mlflow_run_id"] == found["info"]["run_id"]
    assert metadata["experiment_tracker_url"].endswith(f"/runs/{metadata['mlflow_run_id']}")


if __name__ == "__main__":
    pytest.main([__file__])
