"""Asked for a member that there is not: an AttributeError that names it, and what there is instead."""

from __future__ import annotations

from typing import Any, ClassVar

from ..errors import NotFoundError, did_you_mean


class UnsupportedAttributeError(NotFoundError, AttributeError):
    """A member that something of ZenML's has and ours does not."""


class Members:
    """Base of what files written for another SDK ask things of; `instead` maps members that it lacks to what to use."""

    instead: ClassVar[dict[str, str]] = {}

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise unsupported(self, type(self).__name__, name, self.instead.get(name))


def unsupported(owner: object, shown: str, name: str, hint: str | None) -> UnsupportedAttributeError:
    """Return the error for a member that an object does not have, with the line of the user's that asked for it."""
    from ..pipelines.declaring import line_of_the_user

    line = line_of_the_user()
    known = [] if hint else [item for item in {*dir(type(owner)), *vars(owner)} if not item.startswith("_")]
    return UnsupportedAttributeError(
        f"{line}: " * bool(line) + f"{shown}.{name} is not supported by mlx{did_you_mean(name, known)}",
        hint=hint,
    )
