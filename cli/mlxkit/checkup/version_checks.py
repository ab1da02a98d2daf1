"""Python and the libraries: each in the range that this release was made for."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from .._version import __version__
from .findings import Finding


def check_versions() -> Iterator[Finding]:
    """Hold what is installed against the requirements of this distribution."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement  # MLflow needs it, so it is there

    yield Finding("versions", "ok", f"mlx {__version__}, Python {sys.version.partition(' ')[0]}")
    for text in requires("mlxkit") or []:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            yield Finding("versions", "fail", f"{wanted.name} is not installed", f"pip install '{wanted.name}{wanted.specifier}'")  # fmt: skip
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            yield Finding("versions", "fail", f"{wanted.name} {found} is outside of {wanted.specifier}", f"pip install '{wanted.name}{wanted.specifier}'")  # fmt: skip
        elif wanted.name == "mlflow":
            yield Finding("versions", "ok", f"mlflow {found}")
