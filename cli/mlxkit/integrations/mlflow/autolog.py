"""Autologging as it was before a step: what the step switched on goes off, what it changed comes back."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import field
from typing import Any

from ...dataclass import dataclass


@dataclass
class AutologState:
    """The autologging of every library, and who waits for a library to be imported."""

    integrations: dict[str, dict[str, Any]] = field(default_factory=dict)
    waiting: dict[str, list[Any]] = field(default_factory=dict)

    @staticmethod
    def now() -> AutologState:
        """Take down how things stand; MLflow is loaded."""
        from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS
        from mlflow.utils.import_hooks import _post_import_hooks

        return AutologState(
            {name: dict(config) for name, config in AUTOLOGGING_INTEGRATIONS.items()},
            {library: list(hooks) for library, hooks in _post_import_hooks.items()},
        )

    def restore(self) -> None:
        """Undo what changed since; only modules that are loaded are touched."""
        from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS
        from mlflow.utils.import_hooks import _post_import_hooks

        for name, config in list(AUTOLOGGING_INTEGRATIONS.items()):
            before = self.integrations.get(name, {})
            if config != before:
                _set(name, before)
                AUTOLOGGING_INTEGRATIONS[name] = before
        for library in [library for library, hooks in _post_import_hooks.items() if hooks]:
            if library in self.waiting:
                _post_import_hooks[library] = self.waiting[library]
            else:
                del _post_import_hooks[library]


def _set(name: str, config: dict[str, Any]) -> None:
    """Switch one integration to `config`, or off when it was off."""
    from mlflow.utils.autologging_utils import revert_patches

    switch = getattr(sys.modules.get(f"mlflow.{name}"), "autolog", None)
    was_on = bool(config) and not config.get("disable", True)
    with contextlib.suppress(Exception):  # an integration that cannot be switched is at least unpatched below
        if switch is not None and name != "mlflow":
            known = {key: value for key, value in config.items() if key != "globally_configured"}
            switch(**known) if was_on else switch(disable=True, silent=True)
            return
    if not was_on:
        revert_patches(name)
