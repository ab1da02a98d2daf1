"""Predictions asked from a deployment: where it answers, what its model expects, and what it says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..errors import MlxError, UsageError
from ..stacks.deployers import ANSWERS
from .payload import Payload
from .records import DeploymentRecord
from .scoring import check_size, send
from .signature import Signature
from .token import resolve_token


def check_timeout(timeout: float) -> None:
    """Raise UsageError for seconds that nobody can wait."""
    if not (timeout > 0 and math.isfinite(timeout)):
        raise UsageError(f"timeout is {timeout}, and has to be a number of seconds")


def asked(
    deployment: DeploymentRecord,
    signature: Signature,
    payload: Callable[[Signature], Payload],
    *,
    timeout: float,
) -> Any:
    """Send what `payload` makes for the model's signature, and return the JSON of the answer."""
    made = payload(signature)
    check_size(made, deployment)
    return send(deployment, made, signature, token=resolve_token(deployment.token), timeout=timeout)


def check_answers(deployment: DeploymentRecord) -> None:
    """Raise MlxError with the reason when a deployment does not answer."""
    if deployment.state in ANSWERS:
        return
    if deployment.state == "starting":
        raise MlxError(
            f"deployment {deployment.name!r} is still starting",
            hint=f"mlx deployment logs {deployment.name} -f",
        )
    reason = f": {deployment.reason}" if deployment.reason else ""
    raise MlxError(
        f"deployment {deployment.name!r} is not running ({deployment.state}){reason}",
        hint=f"mlx deployment start {deployment.name}",
    )
