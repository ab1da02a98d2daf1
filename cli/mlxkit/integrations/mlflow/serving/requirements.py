"""Whether a model can be loaded here: its requirements against what is installed, without importing any of it."""

from __future__ import annotations

import platform
import re
import shlex
from collections.abc import Iterator
from dataclasses import field
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from ....dataclass import dataclass
from ....errors import MissingDependencyError, MlxError

# The two facts that are needed of a file that MLflow writes; a YAML loader would have to know all of it.
_FLAVOR = re.compile(r"^\s+python_function:\s*$", re.MULTILINE)
_PYTHON = re.compile(r"^\s+python_version:\s*['\"]?(\d+)\.(\d+)", re.MULTILINE)
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)")
_WHEEL = re.compile(r"([A-Za-z0-9][A-Za-z0-9._]*?)-\d[^/]*\.(?:whl|tar\.gz|zip)$")
_DEEPEST = 10  # files that include each other


@dataclass
class _Findings:
    missing: dict[str, str] = field(default_factory=dict)  # name: what pip is to install
    warnings: list[str] = field(default_factory=list)


def examine(model_dir: Path) -> list[str]:
    """Return warnings about serving a model here; a MissingDependencyError names every package that is missing."""
    described = model_dir / "MLmodel"
    if not described.is_file():
        raise MlxError(f"{model_dir} is not an MLflow model: it has no file MLmodel", hint="mlx model list")
    text = described.read_text(errors="replace")
    if not _FLAVOR.search(text):
        raise MlxError(f"the model in {model_dir} has no python_function flavor, so it cannot be served")
    found = _Findings()
    made_with = _PYTHON.search(text)
    here = platform.python_version_tuple()[:2]
    if made_with and made_with.groups() != here:
        found.warnings.append(
            f"the model was made with Python {'.'.join(made_with.groups())}, this is {'.'.join(here)}"
        )
    requirements = model_dir / "requirements.txt"
    if requirements.is_file():
        for line in _lines(requirements, found):
            _check(line, found)
    if found.missing:
        names = ", ".join(found.missing)
        raise MissingDependencyError(
            f"the model needs {names}, which {'is' if len(found.missing) == 1 else 'are'} not installed",
            hint=f"pip install {' '.join(map(shlex.quote, dict.fromkeys(found.missing.values())))}",
        )
    return found.warnings


def _lines(path: Path, found: _Findings, depth: int = 0) -> Iterator[str]:
    """Yield the requirements of a file and of those it includes, as pip reads them."""
    joined = re.sub(r"\\\r?\n", " ", path.read_text(errors="replace").removeprefix("\ufeff"))
    for raw in joined.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        option = re.match(r"(?:-r\s*|--requirement(?:\s+|=))(.+)$", line)
        if option:
            included = path.parent / option[1].strip()
            if not included.is_file() or depth >= _DEEPEST:
                found.warnings.append(
                    f"{path.name} includes {option[1].strip()}, which is not there: not examined"
                )
            else:
                yield from _lines(included, found, depth + 1)
        elif re.match(r"(?:-e\s*|--editable(?:\s+|=))(.+)$", line):
            yield re.sub(r"^(?:-e\s*|--editable(?:\s+|=))", "", line)
        elif line and not line.startswith("-"):
            yield re.sub(r"\s--?[a-z].*$", "", line)  # options of one requirement, such as --hash


def _check(line: str, found: _Findings) -> None:
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        _check_place(line, found)
        return
    if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
        _check_requirement(requirement, found)


def _check_place(line: str, found: _Findings) -> None:
    """Check what is given by an address or a path and not by a name, as far as the name can be told."""
    match = _EGG.search(line) or _WHEEL.search(line.partition("#")[0])
    if match is None:
        found.warnings.append(f"cannot tell whether {_without_credentials(line)} is installed")
    elif _installed(match[1]) is None:
        found.missing[match[1]] = _without_credentials(line)


def _check_requirement(requirement: Requirement, found: _Findings) -> None:
    there = _installed(requirement.name)
    if there is None:
        found.missing[requirement.name] = _to_install(requirement)
        return
    if requirement.specifier and not requirement.specifier.contains(there.version, prereleases=True):
        found.warnings.append(
            f"the model was made with {requirement.name}{requirement.specifier}, installed is {there.version}"
        )
    for extra in requirement.extras:
        for text in there.requires or ():
            needed = Requirement(text)
            is_extra = needed.marker is not None and not needed.marker.evaluate({"extra": ""})
            if (
                is_extra
                and needed.marker
                and needed.marker.evaluate({"extra": extra})
                and not _installed(needed.name)
            ):
                found.missing[f"{needed.name} (for {requirement.name}[{extra}])"] = _to_install(requirement)


def _installed(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except (metadata.PackageNotFoundError, ValueError):
        return None


def _to_install(requirement: Requirement) -> str:
    if requirement.url:
        return f"{requirement.name} @ {_without_credentials(requirement.url)}"
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _without_credentials(line: str) -> str:
    """Return an address without the user and the password in it."""
    host = urlsplit(line).netloc
    return line.replace(host, host.rpartition("@")[2], 1) if "@" in host else line
