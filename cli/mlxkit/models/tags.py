"""Tags of a model version that tie it to the run it came from; other tools see them in MLflow's UI."""

from __future__ import annotations

from ..stacks.tags import (
    CODE_DIGEST,
    COMMIT,
    INPUTS,
    LINEAGE,
    MLFLOW_RUNS,
    MOVE,
    OURS,
    PIPELINE,
    RUN_ID,
    RUN_NAME,
    STACK,
    STEP,
    STEP_RUN_ID,
    VERSION_TAG,
)

__all__ = [
    "CODE_DIGEST", "COMMIT", "INPUTS", "LINEAGE", "MLFLOW_RUNS", "MOVE", "OURS", "PIPELINE", "RUN_ID", "RUN_NAME",
    "STACK", "STEP", "STEP_RUN_ID", "VERSION_TAG",
]  # fmt: skip
