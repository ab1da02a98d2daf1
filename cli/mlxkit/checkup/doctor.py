"""Whether everything that a project needs is in order: each check says what it found and what mends it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..config.document import read_config
from ..config.model import Config
from ..config.paths import Project, find_project
from ..errors import MlxError
from .config_checks import check_config
from .findings import Checkup, Finding, checkup, failed
from .keyring_checks import check_secrets
from .mode_checks import check_modes
from .store_checks import check_deployments, check_history, check_store
from .tracker_checks import check_tracker
from .version_checks import check_versions, needed_extras


def examine(project: Project | None = None, stack: str | None = None, *, online: bool = False) -> Checkup:
    """Look at everything; `online` also asks the servers. No check keeps another one from being made."""
    project = project or find_project()
    config: Config | None = None
    # Before anything is written: a probe would put right what is to be told.
    findings = list(_guarded("file modes", lambda: check_modes(project)))
    try:
        config = read_config(project)
    except MlxError as error:
        findings.append(failed("config", error, fix=f"edit {project.shown}"))
    extras = needed_extras(project, config, stack) if config is not None else ()
    findings += _guarded("versions", lambda: check_versions(extras))
    if config is not None:
        read = config
        findings += _guarded("config", lambda: check_config(project, read))
        findings += _guarded("secrets", lambda: check_secrets(read, project, online=online))
        findings += _guarded("tracker", lambda: check_tracker(project, read, stack, online=online))
        findings += _guarded("artifact store", lambda: check_store(project, stack, online=online))
    else:
        findings += _guarded("secrets", lambda: check_secrets(None, project))
    findings += _guarded("history", lambda: check_history(project))
    findings += _guarded("deployments", lambda: check_deployments(project))
    return checkup(findings)


def _guarded(name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Make a check; what stops it is a finding itself."""
    try:
        yield from check()
    except MlxError as error:
        yield failed(name, error)
    except OSError as error:
        path = Path(str(error.filename or "."))
        there = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
        said = f"{error.filename or name}: {error.strerror}"
        yield Finding(name, "fail", said, f"ls -ld {shlex.quote(str(there))}")
