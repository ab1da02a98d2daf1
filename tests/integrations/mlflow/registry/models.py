"""Run as a script: what users do with MLflow's own client, and what that client sees; prints JSON."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any


def log() -> dict[str, Any]:
    """Log runs and models as MLflow 3 does, as MLflow 2 did, and what is no model."""
    import mlflow

    class Same(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
        def predict(self, context: Any, model_input: list[str], params: Any = None) -> Any:
            return model_input

    client = mlflow.MlflowClient()
    experiment = mlflow.set_experiment("models")
    made: dict[str, Any] = {"experiment": experiment.experiment_id}
    with mlflow.start_run(run_name="first", tags={"mlx.run_id": "ours-1"}) as run:
        mlflow.log_params({"lr": "0.1", "depth": "3"})
        mlflow.log_metric("loss", 0.5, step=0)
        mlflow.log_metric("loss", 0.25, step=1)
        mlflow.log_metric("broken", float("nan"))
        first = mlflow.pyfunc.log_model(
            name="model", python_model=Same(), pip_requirements=["mlflow"], artifacts=_artifacts()
        )
        mlflow.log_metric("acc", 0.8, step=1, model_id=first.model_id)
        mlflow.log_metric("acc", 0.9, step=2, model_id=first.model_id)
        second = mlflow.pyfunc.log_model(
            name="other", python_model=Same(), pip_requirements=["mlflow"], tags={"why": "it's new"}
        )
    made |= {"run": run.info.run_id, "model": first.model_id, "other": second.model_id}
    with mlflow.start_run(run_name="second", tags={"mlx.run_id": "ours-1"}) as run:
        pending = client.create_logged_model(experiment.experiment_id, "half", run.info.run_id)
    made |= {"second": run.info.run_id, "pending": pending.model_id}
    with mlflow.start_run(run_name="old") as run, tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "kept"
        mlflow.pyfunc.save_model(kept, python_model=Same(), pip_requirements=["mlflow"])
        mlflow.log_artifacts(str(kept), "nested/model")
        (Path(folder) / "notes.txt").write_text("no model")
        mlflow.log_artifact(str(Path(folder) / "notes.txt"), "plain")
    made["old"] = run.info.run_id
    with mlflow.start_run(run_name="empty") as run:
        pass
    made["empty"] = run.info.run_id
    with mlflow.start_run(run_name="deleted") as run:
        mlflow.log_param("a", 1)
    client.delete_run(run.info.run_id)
    made["deleted"] = run.info.run_id
    return made


def _artifacts() -> dict[str, str]:
    """Files with names that have to be quoted, and one of several megabytes."""
    folder = Path(tempfile.mkdtemp())
    (folder / "large file (1)+é.bin").write_bytes(bytes(range(256)) * 4096 * 3)
    return {"large": str(folder / "large file (1)+é.bin")}


def calls(commands: list[list[Any]]) -> list[Any]:
    """Call methods of MLflow's client, or `register_model`, and tell what they return."""
    import mlflow
    from mlflow.exceptions import MlflowException

    client, told = mlflow.MlflowClient(), []
    for name, *arguments in commands:
        call = mlflow.register_model if name == "register_model" else getattr(client, name)
        keywords = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
        try:
            returned = call(*arguments, **keywords)
            told.append(_plain(returned) if name != "register_prompt" else None)
        except MlflowException as error:
            told.append({"error": error.error_code})
    return told


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, int, float)):
        return value
    if not hasattr(value, "__dict__"):
        return str(value)
    return {key.lstrip("_"): _plain(item) for key, item in vars(value).items()}


if __name__ == "__main__":
    print(json.dumps(log() if sys.argv[1] == "log" else calls(json.loads(sys.argv[2]))))
