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

# What a listing of a team's runs needs, beside the names above; MLflow's own tag has the user.
HOST = "mlx.host"  # on the run that the steps share, and on no other
KIND = "mlx.kind"
ENGINE = "mlx.engine"
WORKERS = "mlx.workers"
TAGS = "mlx.tags"  # those that the run began with, a JSON list
USER = "mlflow.user"
PARENT = "mlflow.parentRunId"
OF_LISTING = (KIND, ENGINE, WORKERS, TAGS)
