"""What a worker says about itself."""

from __future__ import annotations

import platform

from ..._version import __version__


def worker_versions() -> dict[str, str]:
    """Return the versions of mlxkit and Python of the process that this runs in."""
    return {"mlxkit": __version__, "python": platform.python_version()}
