"""Tags that tie a model version to the run it came from; other tools see them in MLflow's UI."""

from __future__ import annotations

OURS = "mlx."
RUN_ID = "mlx.run_id"
RUN_NAME = "mlx.run_name"
PIPELINE = "mlx.pipeline"
STEP = "mlx.step"
STEP_RUN_ID = "mlx.step_run_id"
STACK = "mlx.stack"
COMMIT = "mlx.git_commit"
CODE_DIGEST = "mlx.code_digest"
VERSION_TAG = "mlx.version_tag"
INPUTS = "mlx.inputs"
LINEAGE = "mlx.lineage"
MLFLOW_RUNS = "mlx.mlflow_runs"
MOVE = "mlx.move."
