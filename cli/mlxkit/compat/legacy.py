"""ZenML's older spellings: a step's parameters as a class, and its outputs as a call."""

from __future__ import annotations

from typing import Annotated, Any

try:
    from pydantic import BaseModel as BaseParameters
except ImportError as error:  # pydantic comes with mlflow, and not with mlflow-skinny alone
    from ..errors import MissingDependencyError

    raise MissingDependencyError(
        "zenml.steps.BaseParameters needs pydantic, which is not installed", hint="pip install pydantic"
    ) from error

__all__ = ["BaseParameters", "Output"]


def Output(**outputs: Any) -> Any:
    """Return the annotation of several named outputs: `-> Output(train=pd.DataFrame, test=pd.DataFrame)`."""
    if not outputs:
        raise TypeError("Output() names no output")
    named = tuple(Annotated[kind, name] for name, kind in outputs.items())
    return tuple[named] if len(named) > 1 else named[0]  # type: ignore[valid-type]
