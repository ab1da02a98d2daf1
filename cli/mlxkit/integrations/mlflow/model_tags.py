"""Tags on every model that a step logs or registers: which step made it, and from what.

They travel with the model, so that a version can be traced where the history of the run is not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...secrets.masking import mask_text
from ...stacks.tags import STEP_RUN_ID
from .active import current_step
from .backend import MAX_TAG, cut

if TYPE_CHECKING:
    from .steps import StepTracking


def diversions() -> list[tuple[Any, Callable[..., Any]]]:
    """Return which methods of MLflow's clients do what instead; imports the clients, which MLflow's own calls do anyway."""
    from mlflow.tracking._model_registry.client import ModelRegistryClient
    from mlflow.tracking._tracking_service.client import TrackingServiceClient

    # The clients wrap their methods to count their use; what they wrap is what is called in the end.
    return [
        (inspect.unwrap(TrackingServiceClient.create_logged_model), new_model),
        (inspect.unwrap(ModelRegistryClient.create_model_version), with_tags),
    ]


def new_model(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Add that to a logged model, and remember whose it is."""
    made, step = with_tags(original, *args, **kwargs), current_step()
    if step is not None:
        step.models.add(str(made.model_id))
    return made


def with_tags(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Add where the model comes from; what user code says itself wins."""
    step = current_step()
    if step is None:
        return original(*args, **kwargs)
    asked = inspect.signature(original).bind(*args, **kwargs)
    asked.arguments["tags"] = {**origin_tags(step), **(asked.arguments.get("tags") or {})}
    return original(*asked.args, **asked.kwargs)


def origin_tags(step: StepTracking) -> Mapping[str, str]:
    """Return run, pipeline, stack, step, code and inputs of a running step as tags."""
    facts = step.facts
    tags = {**step.identity(), STEP_RUN_ID: facts.step_run_id, **step.code_tags(), **facts.origin()}
    return dict(cut({key: mask_text(value) for key, value in tags.items()}, MAX_TAG))
