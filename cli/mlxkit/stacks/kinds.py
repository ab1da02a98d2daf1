"""The kinds of component, as the rest of the package asks for them."""

from __future__ import annotations

from ..config.kinds import KINDS, Kind
from ..errors import NotFoundError, did_you_mean

__all__ = ["KINDS", "Kind", "get_kind"]


def get_kind(name: str) -> Kind:
    """Return a kind by its name, its command or its YAML section."""
    for kind in KINDS.values():
        if name in (kind.name, kind.command, kind.section):
            return kind
    known = [kind.command for kind in KINDS.values()]
    raise NotFoundError(
        f"no kind of component called {name!r}{did_you_mean(name, [*known, *KINDS])}; there are {', '.join(known)}",
        hint="mlx flavor list",
    )
