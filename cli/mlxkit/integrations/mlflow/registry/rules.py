"""What MLflow takes as the name of a model, as an alias and as a tag, and how it is said that one is not there."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping

from ....errors import MlxError, NotFoundError, UsageError, did_you_mean
from ....stacks.registries import LoggedMetric

IS_PROMPT = "mlflow.prompt.is_prompt"  # prompts live among the models, and MLflow lists them elsewhere
MODEL_VERSIONS = "mlflow.modelVersions"  # on a logged model: which versions were made from it
LOG_HISTORY = "mlflow.log-model.history"  # on a run, by MLflow 2: which models it logged
_NAME, _KEY, _VALUE = 250, 250, 100_000


def check_name(name: str, *, new: bool = False) -> None:
    """Raise UsageError for a name that MLflow does not take for a model.

    A `new` one is no longer than every store takes, and can be shown; others may have made one that is not so.
    """
    if new and len(name) > _NAME:
        raise UsageError(f"the name of a model has {len(name)} characters, and {_NAME} is the most")
    if new and not name.isprintable():
        raise UsageError(f"a model cannot be named {name!r}: it holds a character that cannot be shown")
    if not name.strip():
        raise UsageError("the name of a model is empty")
    if "/" in name or ":" in name:
        raise UsageError(f"a model cannot be named {name!r}: '/' and ':' are not part of a name")
    if posixpath.normpath(name) != name or name == "." or name.startswith(".."):
        raise UsageError(f"a model cannot be named {name!r}: it would be another folder's name")


def check_tags(tags: Mapping[str, str | None]) -> None:
    """Raise UsageError for a tag that MLflow does not take."""
    for key, value in tags.items():
        if not re.fullmatch(r"[/\w.\- :]+", key) or len(key) > _KEY:
            raise UsageError(
                f"a tag cannot be named {key!r}: letters, digits and '/_.-: ' are taken, up to {_KEY} of them"
            )
        if posixpath.normpath(key) != key or key == "." or key.startswith(("/", "..")):
            raise UsageError(f"a tag cannot be named {key!r}: it would be another folder's name")
        if value is not None and len(value) > _VALUE:
            raise UsageError(
                f"the value of tag {key!r} has {len(value)} characters, and {_VALUE} is the most"
            )


def no_model(name: str, names: Callable[[], Iterable[str]]) -> NotFoundError:
    """Return the error for a model that is not there; `names` is asked for those that are."""
    try:
        near = did_you_mean(name, names())
    except MlxError:
        near = ""
    return NotFoundError(f"no model named {name!r}{near}", hint="mlx model list")


def no_version(name: str, number: int) -> NotFoundError:
    """Return the error for a version that a model does not have."""
    return NotFoundError(f"model {name!r} has no version {number}", hint=f"mlx model versions {name}")


def no_run(run_id: str, tracker: str) -> NotFoundError:
    """Return the error for a run that the tracker does not know."""
    return NotFoundError(f"tracker {tracker!r} has no run {run_id!r}")


def no_logged_model(model_id: str, tracker: str) -> NotFoundError:
    """Return the error for a logged model that the tracker does not know."""
    return NotFoundError(f"tracker {tracker!r} has no logged model {model_id!r}")


def is_id(text: str) -> bool:
    """Say whether MLflow could have given a text as an id."""
    return re.fullmatch(r"[\w\-]+", text) is not None


def legacy_stage(told: str | None) -> str:
    """Return MLflow 2's stage of a version, or an empty string for its word that there is none."""
    return "" if told in (None, "None", "none") else str(told)


def last_values(measured: Iterable[LoggedMetric]) -> dict[str, float]:
    """Return the last value of each metric from all of them in order."""
    return {item.name: item.value for item in measured}


def seconds(milliseconds: float | str | None) -> float:
    """Return a time of MLflow's in seconds."""
    return int(milliseconds or 0) / 1000
