"""Tags that tie what is on a tracker to our runs: on its runs, its logged models and its model versions."""

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
RERUN_OF = "mlx.rerun_of"
INPUTS = "mlx.inputs"
LINEAGE = "mlx.lineage"
MLFLOW_RUNS = "mlx.mlflow_runs"
MOVE = "mlx.move."
