"""Metrics of models that several steps log into one run: what a step measures is not that of another step's model.

MLflow ties a metric to the models that the run has so far, and gives a new model all that the run measured before.
With one run for all steps of a pipeline both would be the metrics of other steps.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

from .active import current_step, step_of

_here = threading.local()  # is_logging: whether this thread is inside of MLflow's `Model.log`


def diversions(fluent: Any) -> list[tuple[Any, Callable[..., Any]]]:
    """Return which functions of MLflow do what instead."""
    from mlflow.models.model import Model
    from mlflow.tracking._tracking_service.client import TrackingServiceClient

    return [
        (fluent._get_model_ids_for_new_metric_if_exist, models_of_metric),
        (inspect.unwrap(Model.log.__func__), log_model),
        (inspect.unwrap(TrackingServiceClient.log_batch), log_batch),
    ]


def models_of_metric(original: Callable[..., list[str]], run: Any, metric_step: Any) -> list[str]:
    """Tie a metric of the step's run to the models that the step itself logged."""
    found = original(run, metric_step)
    step = current_step()
    if step is None or step.run_id != run.info.run_id:
        return found
    return [model_id for model_id in found if model_id in step.models]


def log_model(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Know of what is logged meanwhile that it is for a new model."""
    before, _here.is_logging = getattr(_here, "is_logging", False), True
    try:
        return original(*args, **kwargs)
    finally:
        _here.is_logging = before


def log_batch(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Give a new model what its own step measured before, and not what other steps did."""
    if not getattr(_here, "is_logging", False):
        return original(*args, **kwargs)
    asked = inspect.signature(original).bind(*args, **kwargs)
    step = step_of(str(asked.arguments["run_id"]))
    if step is not None:
        asked.arguments["metrics"] = [
            metric
            for metric in asked.arguments.get("metrics") or ()
            if metric.model_id not in step.models or metric.timestamp >= step.began
        ]
    return original(*asked.args, **asked.kwargs)
