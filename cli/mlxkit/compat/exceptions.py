"""The errors of ours that files catch by ZenML's names."""

from __future__ import annotations

from ..errors import AlreadyExistsError as EntityExistsError
from ..errors import ConfigError as StackValidationError
from ..errors import NotFoundError as ZenKeyError
from ..errors import UsageError as StepContextError
from ..errors import UsageError as StepInterfaceError

__all__ = [
    "EntityExistsError",
    "StackValidationError",
    "StepContextError",
    "StepInterfaceError",
    "ZenKeyError",
]
