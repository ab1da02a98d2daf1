"""A door for files written for another SDK: their `import zenml` is served by names of ours, where zenml is not installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_GUEST = "zenml"
_HOST = "mlxkit.compat.modules:spec_of"
_SHELF = str(Path(__file__).parent.parent / "compat" / "shelf")


class GuestFinder:
    """Stands last among the finders, so that an installed package is always found first."""

    @classmethod
    def find_spec(
        cls,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG003  the import system's protocol
        target: ModuleType | None = None,  # noqa: ARG003
    ) -> ModuleSpec | None:
        """Return the spec of a module that we serve; None for everything else, and inside a real package."""
        if fullname.partition(".")[0] != _GUEST:
            return None
        parent = sys.modules.get(_GUEST)
        if fullname != _GUEST and not is_served(parent):
            return None
        from ..stacks.flavors import imported

        spec: ModuleSpec | None = imported(_HOST)(fullname)
        return spec


def serve_guests() -> None:
    """Serve the imports of another SDK in this process from now on; nothing is imported before somebody asks."""
    if GuestFinder not in sys.meta_path:
        sys.meta_path.append(GuestFinder)


def serve_children() -> None:
    """Let child processes that begin anew with this one's import path (spawn, joblib) import what is served, too.

    The folder comes last on the path, behind an installed package.
    """
    if _SHELF not in sys.path:
        sys.path.append(_SHELF)


def is_served(module: ModuleType | None) -> bool:
    """Say whether a module is one of those that stand for another SDK's."""
    return isinstance(getattr(getattr(module, "__spec__", None), "loader_state", None), GuestMark)


class GuestMark:
    """Marks the specs of served modules."""
