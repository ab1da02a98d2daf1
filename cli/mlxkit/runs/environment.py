"""The environment of a run: Python, platform and installed distributions, read from the names of folders."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_METADATA = (".dist-info", ".egg-info")


def capture_environment() -> dict[str, Any]:
    """Return Python's version, the platform, and every installed distribution with its version."""
    system, release, machine = _system()
    return {
        "python": sys.version.partition(" ")[0],
        "implementation": sys.implementation.name,
        "platform": f"{system}-{release}-{machine}",
        "machine": machine,
        "distributions": dict(_distributions(tuple(sys.path))),
    }


def flat(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return Python, implementation, platform and every distribution by name, as they are compared."""
    named = {
        key: str(environment[key]) for key in ("python", "implementation", "platform") if key in environment
    }
    return {**named, **dict(environment.get("distributions") or {})}


def version_of_module(name: str) -> str | None:
    """Return the version of the distribution that a top-level module comes from, imported or not."""
    return _version_of_module(name, tuple(sys.path))


def _system() -> tuple[str, str, str]:
    if hasattr(os, "uname"):  # a tenth of what `platform` costs
        found = os.uname()
        return found.sysname, found.release, found.machine
    import platform

    return platform.system(), platform.release(), platform.machine()


@cache
def _distributions(folders: tuple[str, ...]) -> dict[str, str]:
    """Return versions by normalised name; the first folder of the path that has a distribution wins, as for imports."""
    found: dict[str, str] = {}
    for _, name, version in _metadata_in(folders):
        found.setdefault(name, version)
    return dict(sorted(found.items()))


@cache
def _metadata_in(folders: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    found = []
    for folder in folders:
        try:
            entries = os.listdir(folder or os.curdir)  # noqa: PTH208  names are all that is needed
        except OSError:
            continue  # a zip file, or a folder that is not there
        for entry in entries:
            if entry.endswith(_METADATA):
                name, _, version = entry.rpartition(".")[0].partition("-")
                version = re.sub(r"-py\d.*$", "", version)
                if version:
                    found.append((str(Path(folder, entry)), _normalised(name), version))
    return tuple(found)


@cache
def _version_of_module(name: str, folders: tuple[str, ...]) -> str | None:
    by_name = _distributions(folders).get(_normalised(name))
    if by_name is not None:
        return by_name
    for path, _, version in _metadata_in(folders):
        if _holds(Path(path), name):
            return version
    return None


def _holds(metadata: Path, module: str) -> bool:
    """Say whether a distribution installed a module, by its list of top-level names or of files."""
    try:
        names = (metadata / "top_level.txt").read_text("utf-8").split()
    except OSError:
        names = []
    if names:
        return module in names
    try:
        files = (metadata / "RECORD").read_bytes()
    except OSError:
        return False
    start = module.encode()
    return any(
        b"\n" + start + tail in b"\n" + files for tail in (b"/__init__.py,", b".py,", b"/_", b".cpython-")
    )


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
