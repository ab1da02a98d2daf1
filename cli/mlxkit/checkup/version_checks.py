"""Python and the libraries: each in the range that this release was made for."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from .._version import __version__
from ..config.active import choose_stack
from ..config.model import Config
from ..config.paths import Project
from ..errors import MlxError
from ..stacks.flavors import get_flavor
from ..stacks.membership import stack_entries
from .findings import Finding

if TYPE_CHECKING:
    from packaging.requirements import Requirement


def needed_extras(project: Project, config: Config, stack: str | None) -> set[str]:
    """Return the extras that the flavors of a stack need; none where no stack can be chosen, which is told elsewhere."""
    try:
        entries = stack_entries(config, choose_stack(project, config, stack).name)
        return {extra for entry in entries if (extra := get_flavor(entry.kind, entry.flavor).extra)}
    except MlxError:
        return set()


def check_versions(extras: Collection[str] = ()) -> Iterator[Finding]:
    """Hold what is installed against the requirements of this distribution, with those of the extras."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement  # MLflow needs it, so it is there

    yield Finding("versions", "ok", f"mlx {__version__}, Python {sys.version.partition(' ')[0]}")
    for text in requires("mlxkit") or []:
        wanted = Requirement(text)
        extra = next((name for name in ("", *extras) if _applies(wanted, name)), None)
        if extra is None:
            continue
        fix = f"pip install '{f'mlxkit[{extra}]' if extra else f'{wanted.name}{wanted.specifier}'}'"
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            yield Finding("versions", "fail", f"{wanted.name} is not installed", fix)
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            said = f"{wanted.name} {found} is outside of {wanted.specifier}"
            yield Finding("versions", "fail", said, fix)
        elif wanted.name == "mlflow":
            yield Finding("versions", "ok", f"mlflow {found}")


def _applies(wanted: Requirement, extra: str) -> bool:
    return wanted.marker is None or wanted.marker.evaluate({"extra": extra})
