"""Which components refer to a secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..config.document import read_config
from ..config.kinds import KINDS
from ..config.paths import CONFIG_NAME, Project, find_project, user_config_dir, user_data_dir
from ..errors import ConfigError
from .references import find


def users_of(secret: str) -> list[str]:
    """Return `experiment_trackers.team.tracking_password` for each attribute that refers to the secret.

    This project's file and the user's own are read; other projects of the user cannot be known.
    """
    here = find_project()
    own = Project(user_config_dir() / CONFIG_NAME, user_data_dir(), "user")
    projects = [here] if here.config_path == own.config_path else [here, own]
    return [use for project in projects for use in _uses(project, secret)]


def _uses(project: Project, secret: str) -> Iterator[str]:
    try:
        config = read_config(project)
    except ConfigError as error:
        yield f"{project.shown}, which cannot be read ({error.message})"
        return
    prefix = f"{project.shown}: " if project.origin == "user" else ""
    for kind, components in config.components.items():
        for name, component in components.items():
            for path, text in _texts(component.attributes):
                if any(reference.secret == secret for reference in find(text)):
                    yield f"{prefix}{KINDS[kind].section}.{name}.{path}"


def _texts(attributes: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in attributes.items():
        if isinstance(value, Mapping):
            yield from _texts(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            yield f"{prefix}{key}", value
