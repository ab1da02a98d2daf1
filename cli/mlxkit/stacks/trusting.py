"""Whether what other people stored may run code here: one attribute, the same for every flavor of artifact store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .flavors import Attribute

if TYPE_CHECKING:
    from .resolve import ResolvedComponent

TRUST_CODE = Attribute(
    "trust_code",
    "bool",
    "Also load pickles, and what custom materializers wrote, that others put here: it runs their code.",
    default=False,
)


def trusts_code(component: ResolvedComponent) -> bool:
    """Say whether an artifact store is set to trust everybody who can write to it."""
    return bool(component.attributes.get(TRUST_CODE.name, TRUST_CODE.default))
