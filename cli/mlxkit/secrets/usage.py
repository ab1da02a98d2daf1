"""Which components refer to a secret, and how to make them refer to another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..config.document import read_config
from ..config.kinds import KINDS
from ..config.model import Config
from ..config.paths import CONFIG_NAME, Project, find_project, user_config_dir, user_data_dir
from ..errors import ConfigError
from .references import find, renamed

FieldPath = tuple[str, ...]


def users_of(secret: str) -> list[str]:
    """Return `mlx.yaml: experiment_trackers.team.tracking_password` for each attribute that refers to the secret.

    This project's file and the user's own are read; other projects of the user cannot be known.
    """
    found: list[str] = []
    for project in _projects():
        try:
            config = read_config(project)
        except ConfigError as error:
            found.append(f"{project.shown}, which cannot be read: {error.message}")
        else:
            found += [f"{project.shown}: {'.'.join(path)}" for path, _ in _uses(config, secret)]
    return found


def check_readable() -> None:
    """Raise what is wrong with a configuration before anything is changed that it may refer to."""
    for project in _projects():
        read_config(project)


def rewrite(old: str, new: str) -> None:
    """Make every attribute that refers to one secret refer to another."""
    from ..config.writer import edit

    for project in _projects():
        if any(_uses(read_config(project), old)):
            with edit(project) as editor:
                for path, text in list(_uses(editor.config, old)):
                    editor.put(path, renamed(text, old, new))


def _projects() -> list[Project]:
    here = find_project()
    own = Project(user_config_dir() / CONFIG_NAME, user_data_dir(), "user")
    return [here] if here.config_path == own.config_path else [here, own]


def _uses(config: Config, secret: str) -> Iterator[tuple[FieldPath, str]]:
    for kind, components in config.components.items():
        for name, component in components.items():
            for path, text in _texts(component.attributes):
                if any(reference.secret == secret for reference in find(text)):
                    yield (KINDS[kind].section, name, *path), text
    for name, provider in config.secret_providers.items():
        for path, text in _texts(provider.attributes):
            if any(reference.secret == secret for reference in find(text)):
                yield ("secret_providers", name, *path), text


def _texts(attributes: Mapping[str, Any]) -> Iterator[tuple[FieldPath, str]]:
    for key, value in attributes.items():
        if isinstance(value, Mapping):
            yield from (((key, *path), text) for path, text in _texts(value))
        elif isinstance(value, str):
            yield (key,), value
