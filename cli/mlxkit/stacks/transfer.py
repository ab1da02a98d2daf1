"""Stacks from one project to another: a small configuration of their own, with references and no credentials."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config.document import parse_config
from ..config.kinds import KINDS
from ..config.model import VERSION, ComponentEntry, Config
from ..config.names import check_name
from ..config.paths import Project
from ..config.writer import Editor, edit
from ..config.yamltext import dump_yaml
from ..dataclass import dataclass
from ..errors import AlreadyExistsError, ConfigError, MlxError, UsageError
from ..records import Record
from .attributes import has_marks, masked, normalised, plain_credentials, texts
from .checks import check_component
from .credentials import missing_secrets, placeholder
from .flavors import get_flavor
from .membership import stack_components


@dataclass(frozen=True)
class Exported(Record):
    """A stack as text to be imported elsewhere."""

    name: str
    text: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Imported(Record):
    """What an import added, and what was there already and the same."""

    stacks: tuple[str, ...]
    added: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def export_stack(config: Config, name: str) -> Exported:
    """Write down a stack with the components that it names; a plain credential becomes a reference to a new secret."""
    chosen = config.stacks[name].components if name in config.stacks else stack_components(config, name)
    sections: dict[str, dict[str, Any]] = {}
    warnings: list[str] = []
    for kind, component in chosen.items():
        entry = config.components[kind].get(component)
        if entry is not None:
            attributes = _without_credentials(entry, warnings)
            sections.setdefault(KINDS[kind].section, {})[component] = {"flavor": entry.flavor, **attributes}
    document = {"version": VERSION, **sections, "stacks": {name: dict(chosen)}}
    return Exported(name, _heading(name, sections) + dump_yaml(document), tuple(warnings))


def import_stacks(
    project: Project, data: bytes, source: str, *, name: str | None = None, force: bool = False
) -> Imported:
    """Add the stacks in `data`; components that are there already and the same are used as they are."""
    config = parse_config(data, Project(Path(source), Path(source).parent, "import"))
    wanted = {stack: dict(entry.components) for stack, entry in config.stacks.items()}
    if not wanted:
        raise ConfigError(f"{config.shown} holds no stack", hint="mlx stack export NAME")
    if name is not None:
        if len(wanted) > 1:
            raise UsageError(f"{config.shown} holds {len(wanted)} stacks, which cannot all be named {name!r}")
        wanted = {check_name(name, "stack"): next(iter(wanted.values()))}
    entries = _entries(config, wanted)
    for entry in entries:
        check_component(config, entry)
    bodies = {
        (entry.kind, entry.name): {"flavor": entry.flavor, **normalised(entry.attributes)}
        for entry in entries
    }
    with edit(project) as editor:
        added, unchanged = _merge(editor, bodies, wanted, force)
    warnings = [warning for body in bodies.values() for warning in missing_secrets(body)]
    return Imported(tuple(wanted), tuple(added), tuple(unchanged), tuple(dict.fromkeys(warnings)))


def _without_credentials(entry: ComponentEntry, warnings: list[str]) -> dict[str, Any]:
    """Return the attributes with a reference in the place of each plain credential."""
    where = f"{KINDS[entry.kind].title} {entry.name!r}"
    try:
        flavor = get_flavor(entry.kind, entry.flavor)
    except MlxError as error:
        # Without the flavor nobody can say which attributes are secret.
        raise ConfigError(f"{where} cannot be exported: {error.message}", hint=error.hint) from error
    attributes = masked(flavor, entry.attributes)
    for key in plain_credentials(flavor, entry.attributes):
        secret, secret_key = placeholder(entry.name, key)
        reference = f"<<{secret}.{secret_key}>>"
        _put(attributes, key, reference)
        what = "is plain text" if key in attributes else "holds a credential"
        warnings.append(f"{where}: {key} {what} here and was not exported; it became {reference}")
    return attributes


def _put(attributes: dict[str, Any], path: str, value: str) -> None:
    """Set an attribute, or with a path such as `tags.link` an item of one."""
    key, dot, rest = path.partition(".")
    if dot and key in attributes:
        _put(attributes[key], rest, value)
    else:
        attributes[path] = value


def _heading(name: str, sections: Mapping[str, Mapping[str, Any]]) -> str:
    from ..secrets.references import find

    keys: dict[str, dict[str, None]] = {}
    for components in sections.values():
        for body in components.values():
            for _, text in texts(body):
                for reference in find(text) if has_marks(text) else ():
                    keys.setdefault(reference.secret, {})[reference.key] = None
    lines = [f"# mlx stack {name}; use it elsewhere with: mlx stack import FILE"]
    lines += ["# It needs:"] if keys else []
    lines += [
        f"#   mlx secret create {secret} {' '.join(f'--{key}' for key in names)}"
        for secret, names in keys.items()
    ]
    return "\n".join(lines) + "\n"


def _entries(config: Config, stacks: Mapping[str, Mapping[str, str]]) -> list[ComponentEntry]:
    """The components that the stacks name; implicit ones exist everywhere."""
    named = dict.fromkeys((kind, name) for components in stacks.values() for kind, name in components.items())
    return [config.components[kind][name] for kind, name in named if name in config.components[kind]]


def _merge(
    editor: Editor,
    bodies: Mapping[tuple[str, str], Mapping[str, Any]],
    stacks: Mapping[str, Mapping[str, str]],
    force: bool,
) -> tuple[list[str], list[str]]:
    """Put everything in and return what was added and what was the same; differences are refused together."""
    wanted: dict[tuple[str, str], Mapping[str, Any]] = {
        (KINDS[kind].section, name): body for (kind, name), body in bodies.items()
    }
    wanted |= {("stacks", name): components for name, components in stacks.items()}
    added, unchanged, differing = [], [], []
    for path, body in wanted.items():
        there = (editor.data.get(path[0]) or {}).get(path[1], _ABSENT)
        if there is not _ABSENT and (there or {}) == dict(body):
            unchanged.append(".".join(path))
            continue
        if there is not _ABSENT:
            differing.append(f"{'.'.join(path)} ({', '.join(_differences(there or {}, body))})")
            if not force:
                continue
            editor.remove(path)
        editor.put(path, dict(body))
        added.append(".".join(path))
    if differing and not force:
        raise AlreadyExistsError(
            f"already there, and different: {'; '.join(differing)}",
            hint="add --force to replace what is there",
        )
    return added, unchanged


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in {*one, *other} if one.get(key) != other.get(key))


_ABSENT = object()
