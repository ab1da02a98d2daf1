"""Tags that MLflow, or we, set on every run: who started it, from what, and in which process."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ...stacks.protocols import RunFacts, StepFacts
from ...stacks.tags import HOST, KIND, PIPELINE, RUN_ID, RUN_NAME, STACK, STEP, STEP_RUN_ID

ATTEMPT = "mlx.attempt"


def identity_tags(facts: RunFacts) -> dict[str, str]:
    """Return the tags that tie an MLflow run to our run."""
    return {
        RUN_ID: facts.run_id,
        RUN_NAME: facts.run_name,
        PIPELINE: facts.pipeline,
        STACK: facts.stack,
    }


def step_tags(step: StepFacts) -> dict[str, str]:
    """Return the tags that tie an MLflow run to one attempt at a step."""
    return {STEP: step.name, STEP_RUN_ID: step.step_run_id, ATTEMPT: str(step.attempt)}


def system_tags() -> dict[str, str]:
    """Return the tags that MLflow sets on its own runs."""
    return {
        "mlflow.user": _user(),
        "mlflow.source.name": Path(sys.argv[0]).name or "python",
        "mlflow.source.type": "LOCAL",
    }


def process_tags(kind: str) -> Mapping[str, str]:
    """Return where a run was started, so that one whose process died can be told."""
    return {"mlx.pid": str(os.getpid()), HOST: host(), "mlx.boot": _boot_id(), KIND: kind}


def host() -> str:
    """Return the name of this machine."""
    return os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")


@cache
def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return str(os.getuid()) if hasattr(os, "getuid") else ""


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
